#include "dialects/nn/SizeConditions.h"

namespace tenon::nn {

static thread_local SizeConditions *innermost = nullptr;

SizeConditions::SizeConditions() : outer(innermost) {
  innermost = this;
}
SizeConditions::~SizeConditions() {
  innermost = outer;
}

void SizeConditions::add(Dim left, Dim right, bool mayBeOne) {
  if (innermost && left != right)
    innermost->conditions.push_back({left, right, mayBeOne});
}

} // namespace tenon::nn
