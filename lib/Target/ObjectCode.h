// From lowered functions to machine code: LLVM IR, objects, one linked image.
#pragma once
#include "lib/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include <map>
#include <string>
#include <vector>

namespace tenon {

/// The code of all kernels: a linked ELF shared object without relocations, whose addresses are offsets in it.
struct CodeImage {
  std::vector<char> bytes;
  std::map<std::string, uint64_t> entries; // exported function -> address
};

/// Translates a module of the llvm dialect and generates an object file. Thread safe for different modules.
/// `assembly` (optional) receives the text of the assembly instead.
mlir::FailureOr<llvm::SmallVector<char, 0>> generateObject(mlir::ModuleOp module, const Target &target, std::string *assembly = nullptr);

/// Links objects into one image. Fails, naming the symbol and who wants it, if anything outside is called.
llvm::Expected<CodeImage> linkObjects(llvm::ArrayRef<llvm::SmallVector<char, 0>> objects, const Target &target);

} // namespace tenon
