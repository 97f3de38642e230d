#include "runtime/cuda/CublasLt.h"

#include "runtime/cuda/LibraryFile.h"

#include <iterator>
#include <pthread.h>

namespace tenon::cuda::lt {
namespace {

constexpr LibraryFile kFile = {"cublasLt", "cublaslt", "TENON_CUBLASLT", {"libcublasLt.so.13", "libcublasLt.so.12", nullptr}, "12 or 13", "cublasLtGetVersion", 120000, 140000};

struct OpenedLibrary {
  Library library;
  char problem[640] = "";
};
OpenedLibrary opened;
pthread_once_t once = PTHREAD_ONCE_INIT;

void openOnce() {
  Library &library = opened.library;
  const LibraryFunction functions[] = {
#define TENON_CUBLASLT_ENTRY(member, symbol, parameters) {reinterpret_cast<void **>(&library.member), symbol},
      TENON_CUBLASLT_FUNCTIONS(TENON_CUBLASLT_ENTRY)
#undef TENON_CUBLASLT_ENTRY
          {reinterpret_cast<void **>(&library.statusName), "cublasLtGetStatusName"}};
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

} // namespace tenon::cuda::lt
