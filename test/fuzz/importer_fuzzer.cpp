// Any bytes, as a model: the importer reports what is wrong with them, or gives a module that verifies.
#include "lib/Importer/Importer.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include <cstdlib>

using namespace mlir;

namespace {
/// A context keeps every attribute it has seen, so it is renewed before it grows.
MLIRContext &freshContext() {
  constexpr int kImports = 256;
  static std::unique_ptr<MLIRContext> context;
  static int imports = 0;
  if (imports++ % kImports == 0)
    context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
  return *context;
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLIRContext &context = freshContext();
  ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) { return success(); });
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(reinterpret_cast<const char *>(data), size));
  FailureOr<OwningOpRef<ModuleOp>> module = tenon::importOnnx(&context, std::move(buffer), "fuzz.onnx", {});
  if (succeeded(module) && failed(verify(**module)))
    abort();
  return 0;
}
