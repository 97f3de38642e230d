#include "lib/Compiler/Dump.h"
#include "dialects/nn/NN.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

namespace tenon {
using namespace mlir;

static constexpr StringLiteral kWeightsFile = "weights.mlirbc";

std::string moduleText(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  OpPrintingFlags flags;
  flags.enableDebugInfo(true, /*prettyForm=*/false).elideLargeResourceString(0);
  module.print(stream, flags);
  stream << '\n';
  return text;
}

static LogicalResult writeFile(MLIRContext *context, StringRef path, llvm::function_ref<LogicalResult(llvm::raw_ostream &)> write) {
  std::error_code error;
  llvm::ToolOutputFile file(path, error, llvm::sys::fs::OF_None);
  if (error)
    return emitError(UnknownLoc::get(context)) << path << ": cannot be written: " << error.message();
  if (failed(write(file.os())))
    return failure();
  file.os().flush();
  if (file.os().has_error()) {
    std::string message = file.os().error().message();
    file.os().clear_error();
    return emitError(UnknownLoc::get(context)) << path << ": cannot be written: " << message;
  }
  file.keep();
  return success();
}

LogicalResult PhaseDump::write(ModuleOp module, int number, StringRef phase) {
  if (folder.empty())
    return success();
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return emitError(module.getLoc()) << folder << ": cannot be made: " << error.message();
  module.walk([&](Operation *op) {
    for (NamedAttribute attribute : op->getAttrs())
      if (isa<DenseResourceElementsAttr>(attribute.getValue()) && known.insert(attribute.getValue()).second)
        weights.push_back(attribute.getValue());
  });
  SmallString<128> path(folder);
  llvm::sys::path::append(path, (number < 10 ? "0" : "") + llvm::Twine(number) + "-" + phase + ".mlir");
  return writeFile(module.getContext(), path, [&](llvm::raw_ostream &os) {
    os << moduleText(module);
    return success();
  });
}

LogicalResult PhaseDump::writeWeights(MLIRContext *context) {
  if (folder.empty())
    return success();
  OpBuilder builder(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder, builder.getUnknownLoc());
  builder.setInsertionPointToStart(module->getBody());
  for (Attribute weight : weights)
    nn::ConstantOp::create(builder, builder.getUnknownLoc(), cast<ElementsAttr>(weight));
  SmallString<128> path(folder);
  llvm::sys::path::append(path, kWeightsFile);
  return writeFile(context, path, [&](llvm::raw_ostream &os) { return writeBytecodeToFile(*module, os); });
}

/// Gives the resources that `module` names the bytes that the weights file holds under the same names. The file is read in a context of its
/// own: in one context the second of two equal names would be renamed.
static LogicalResult attachWeights(ModuleOp module, StringRef path) {
  DialectRegistry registry;
  registry.insert<nn::NNDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  // Weights lie in the file as they are aligned in memory, and so must the file.
  const llvm::Align alignment(64);
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false, /*IsVolatile=*/false, alignment);
  if (!file)
    return module.emitError() << path << ": cannot be read: " << file.getError().message();
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(*file), llvm::SMLoc());
  OwningOpRef<ModuleOp> weights = parseSourceFile<ModuleOp>(sources, ParserConfig(&context));
  if (!weights)
    return module.emitError() << path << ": cannot be read: it holds no weights of a dump";
  auto &blobs = DenseResourceElementsHandle::getManagerInterface(module.getContext()).getBlobManager();
  weights->walk([&](nn::ConstantOp constant) {
    auto resource = dyn_cast<DenseResourceElementsAttr>(constant.getValue());
    AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
    StringRef key = resource ? resource.getRawHandle().getKey() : StringRef();
    if (blob && blobs.lookup(key))
      blobs.update(key, HeapAsmResourceBlob::allocateAndCopyWithAlign(blob->getData(), 64, /*dataIsMutable=*/false));
  });
  return success();
}

OwningOpRef<ModuleOp> parseDump(MLIRContext *context, StringRef path) {
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(path, ParserConfig(context));
  SmallString<128> weights(path);
  llvm::sys::path::remove_filename(weights);
  llvm::sys::path::append(weights, kWeightsFile);
  if (module && llvm::sys::fs::exists(weights) && failed(attachWeights(*module, weights)))
    return {};
  return module;
}

} // namespace tenon
