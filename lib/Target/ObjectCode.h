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

/// Code for a GPU: all kernels as machine code for one architecture, or as PTX for it and later ones.
struct DeviceImage {
  std::string arch; // "sm_90"
  bool isPtx = false;
  std::vector<char> bytes;
};

/// The code of all kernels: for a CPU a linked ELF shared object without relocations, whose addresses are offsets in it; for a GPU device images,
/// in which kernels are found by name.
struct CodeImage {
  std::vector<char> bytes;
  std::vector<DeviceImage> device;
  std::string notAssembled;                // why code for a GPU is PTX alone; empty where it is not
  std::map<std::string, uint64_t> entries; // exported function -> address
};

/// Translates a module of the llvm dialect and generates an object file. Thread safe for different modules.
/// `assembly` (optional) receives the text of the assembly instead.
mlir::FailureOr<llvm::SmallVector<char, 0>> generateObject(mlir::ModuleOp module, const Target &target, std::string *assembly = nullptr);

/// The same for a GPU: PTX, without the lines at its start that all modules share.
mlir::FailureOr<std::string> generatePtx(mlir::ModuleOp module, const Target &target);

/// Joins the PTX of kernels, and assembles it where a ptxas is found that reads it. Errors name what ptxas said.
llvm::Expected<CodeImage> linkPtx(llvm::ArrayRef<std::string> kernels, const Target &target);

/// Links objects into one image. Fails, naming the symbol and who wants it, if anything outside is called.
llvm::Expected<CodeImage> linkObjects(llvm::ArrayRef<llvm::SmallVector<char, 0>> objects, const Target &target);

} // namespace tenon
