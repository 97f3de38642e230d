#include "lib/Importer/Importer.h"
#include "dialects/nn/NN.h"
#include "lib/Importer/GraphImporter.h"
#include "lib/Importer/InputTypes.h"
#include "lib/Importer/Locations.h"
#include "lib/Importer/ModelFile.h"

#include "llvm/Support/Path.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace tenon::importer;

namespace {
/// Keeps diagnostics back while a model is imported, to emit them with the file and the node in their text: inference
/// and verification of ops know neither.
class NamedDiagnostics {
public:
  NamedDiagnostics(MLIRContext *context, StringRef file)
      : context(context), file(file), printsOps(context->shouldPrintOpOnDiagnostic()),
        handler(std::make_unique<ScopedDiagnosticHandler>(context, [this](Diagnostic &diagnostic) {
          kept.push_back(std::move(diagnostic));
          return success();
        })) {
    context->printOpOnDiagnostic(false);
  }
  ~NamedDiagnostics() {
    context->printOpOnDiagnostic(printsOps);
    handler.reset();
    for (const Diagnostic &diagnostic : kept)
      emit(diagnostic);
  }

private:
  void emit(const Diagnostic &diagnostic) {
    InFlightDiagnostic out = context->getDiagEngine().emit(diagnostic.getLocation(), diagnostic.getSeverity());
    out << file << ": " << describe(diagnostic.getLocation()) << diagnostic.str();
    for (const Diagnostic &note : const_cast<Diagnostic &>(diagnostic).getNotes())
      out << "; " << note.str();
  }

  MLIRContext *context;
  std::string file;
  bool printsOps;
  std::unique_ptr<ScopedDiagnosticHandler> handler;
  std::vector<Diagnostic> kept;
};

FailureOr<OwningOpRef<ModuleOp>> importFile(MLIRContext *context, std::unique_ptr<ModelFile> file, const std::string &error,
                                            const tenon::ImportOptions &options) {
  if (!file) {
    emitError(UnknownLoc::get(context)) << error;
    return failure();
  }
  context->loadDialect<func::FuncDialect, tenon::nn::NNDialect>();
  InputTypes inputs(context, options);
  GraphImporter importer(context, *file, inputs);
  return importer.import();
}
} // namespace

FailureOr<OwningOpRef<ModuleOp>> tenon::importOnnx(MLIRContext *context, StringRef path, const ImportOptions &options) {
  NamedDiagnostics diagnostics(context, llvm::sys::path::filename(path));
  std::string error;
  std::unique_ptr<ModelFile> file = ModelFile::open(path, error);
  return importFile(context, std::move(file), error, options);
}

FailureOr<OwningOpRef<ModuleOp>> tenon::importOnnx(MLIRContext *context, std::unique_ptr<llvm::MemoryBuffer> buffer, StringRef name,
                                                   const ImportOptions &options) {
  NamedDiagnostics diagnostics(context, name);
  std::string error;
  std::unique_ptr<ModelFile> file = ModelFile::parse(std::move(buffer), error);
  return importFile(context, std::move(file), error, options);
}
