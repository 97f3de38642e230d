#include "lib/Target/NarrowStores.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

namespace tenon {
using llvm::StringRef;

/// Bits of a register as LLVM names them; 0 where it is none.
static unsigned bitsOfRegister(StringRef name) {
  constexpr std::pair<StringRef, unsigned> kClasses[] = {{"%rs", 16}, {"%rd", 64}, {"%r", 32}};
  for (auto [prefix, bits] : kClasses)
    if (StringRef number = name; number.consume_front(prefix) && !number.empty() && llvm::all_of(number, llvm::isDigit))
      return bits;
  return 0;
}

/// The bits that a store like "st.global.v2.b8" writes of each register; 0 where its type is not one of bits.
static unsigned bitsOfStore(StringRef instruction) {
  unsigned bits = 0;
  StringRef type = instruction.rsplit('.').second;
  return type.consume_front("b") && !type.getAsInteger(10, bits) ? bits : 0;
}

/// The statements instead of "st.space.bN [address], value;" or "…, {value, value};"; empty where it stays.
static std::string converted(StringRef statement) {
  constexpr unsigned kNarrowest = 16; // bits of a register
  StringRef body = statement, instruction, operands;
  if (!body.consume_front("st.") || !body.consume_back(";") || body.contains(';'))
    return {};
  std::tie(instruction, operands) = body.split('\t');
  instruction = instruction.trim();
  unsigned bits = bitsOfStore(instruction);
  auto [address, values] = operands.split("], ");
  if (!bits || values.empty())
    return {};
  bool isList = values.consume_front("{") && values.consume_back("}");
  llvm::SmallVector<StringRef> registers;
  values.split(registers, ", ");
  std::string before;
  llvm::SmallVector<std::string> stored;
  for (auto [i, value] : llvm::enumerate(registers)) {
    unsigned wide = bitsOfRegister(value), narrow = std::max(bits, kNarrowest);
    if (wide <= narrow) { // a constant as well
      stored.push_back(value.str());
      continue;
    }
    stored.push_back("narrow" + std::to_string(i));
    before += ".reg .b" + std::to_string(narrow) + " " + stored.back() + "; cvt.u" + std::to_string(narrow) + ".u" + std::to_string(wide) + " " +
              stored.back() + ", " + value.str() + "; ";
  }
  if (before.empty())
    return {};
  std::string list = llvm::join(stored, ", ");
  return "{ " + before + "st." + instruction.str() + " \t" + address.str() + "], " + (isList ? "{" + list + "}" : list) + "; }";
}

std::string convertBeforeNarrowStores(StringRef ptx) {
  std::string result;
  result.reserve(ptx.size());
  while (!ptx.empty()) {
    size_t end = std::min(ptx.find('\n'), ptx.size() - 1) + 1;
    StringRef line = ptx.take_front(end), statement = line.trim();
    ptx = ptx.drop_front(end);
    std::string instead = statement.starts_with("st.") ? converted(statement) : std::string();
    result += instead.empty() ? line.str() : "\t" + instead + "\n";
  }
  return result;
}

} // namespace tenon
