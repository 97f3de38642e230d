#include "passes/RegisterPasses.h"

namespace tenon {

void registerAllPasses() {}

} // namespace tenon
