// Stores of PTX whose register is wider than what they write.
#pragma once
#include "llvm/ADT/StringRef.h"
#include <string>

namespace tenon {

/// `ptx` with a conversion before every store of a register that is wider than the store.
///
/// PTX says that such a store writes the register's low bits, and LLVM leaves the conversion to it. Registers of PTX have no type, though, and ptxas
/// gives them that of the instruction that wrote them: of one that a sum of f32 wrote it stores the number, converted and saturated, not the bits.
/// nn.quantize finds its byte in the low bits of a sum, and all bytes became 255.
std::string convertBeforeNarrowStores(llvm::StringRef ptx);

} // namespace tenon
