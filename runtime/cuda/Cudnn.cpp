#include "runtime/cuda/Cudnn.h"

#include "runtime/cuda/LibraryFile.h"

#include <iterator>
#include <pthread.h>

namespace tenon::cuda::dnn {
namespace {

constexpr LibraryFile kFile = {"cuDNN", "cudnn", "TENON_CUDNN", {"libcudnn.so.9", nullptr, nullptr}, "9", "cudnnGetVersion", 90000, 100000};

struct OpenedLibrary {
  Library library;
  char problem[640] = "";
};
OpenedLibrary opened;
pthread_once_t once = PTHREAD_ONCE_INIT;

void openOnce() {
  Library &library = opened.library;
  const LibraryFunction functions[] = {
#define TENON_CUDNN_ENTRY(member, symbol, parameters) {reinterpret_cast<void **>(&library.member), symbol},
      TENON_CUDNN_FUNCTIONS(TENON_CUDNN_ENTRY)
#undef TENON_CUDNN_ENTRY
          {reinterpret_cast<void **>(&library.statusName), "cudnnGetErrorString"}};
  openLibrary(kFile, functions, std::size(functions), &library.version, opened.problem, sizeof opened.problem);
}

} // namespace

tn_status Library::open(const Library **library, Message &message) {
  pthread_once(&once, openOnce);
  if (opened.problem[0])
    return message.fail(TN_WRONG_TARGET, "%s", opened.problem);
  *library = &opened.library;
  return TN_OK;
}

} // namespace tenon::cuda::dnn
