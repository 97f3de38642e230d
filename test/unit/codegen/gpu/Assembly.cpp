#include "test/unit/codegen/gpu/Assembly.h"
#include "llvm/ADT/StringExtras.h"

namespace tenon::test {
using llvm::StringRef;

Assembly::Assembly(StringRef given, StringRef constraints, std::string &problem) : text(given.str()) {
  llvm::SmallVector<StringRef> list;
  constraints.split(list, ',', -1, false);
  for (StringRef constraint : list) {
    if (constraint.starts_with("~"))
      continue;
    if (constraint.starts_with("="))
      ++results;
    if (unsigned result; !constraint.getAsInteger(10, result))
      tied.push_back({result, outside});
    ++outside;
  }
  parse(text, problem);
}

AssemblyOperand Assembly::operandOf(StringRef name) {
  if (name.consume_front("$")) {
    unsigned number = 0;
    name.getAsInteger(10, number);
    return {true, number};
  }
  if (int64_t constant; !name.getAsInteger(0, constant))
    return {false, constant};
  if (name == "%cluster_ctarank")
    return {false, kRankInCluster};
  for (auto [i, local] : llvm::enumerate(locals))
    if (name == local)
      return {true, int64_t(outside + i)};
  return {false, 0}; // a label, or `_`
}

void Assembly::parse(StringRef text, std::string &problem) {
  text = text.trim();
  if (text.consume_front("{"))
    text.consume_back("}");
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ';', -1, false);
  for (StringRef part : parts) {
    part = part.trim();
    if (part.empty())
      continue;
    if (part.consume_front(".reg ")) {
      llvm::SmallVector<StringRef> names;
      part.ltrim().split(' ').second.split(names, ',');
      for (StringRef name : names)
        locals.push_back(name.trim().str());
      continue;
    }
    if (StringRef label = part.split(':').first.trim(); part.contains(": ") && llvm::all_of(label, llvm::isAlpha)) {
      labels.push_back({label.str(), statements.size()});
      part = part.split(": ").second.trim();
    }
    Statement s;
    if (part.consume_front("@")) {
      s.isNegated = part.consume_front("!");
      s.guard = int(operandOf(part.split(' ').first).number);
      part = part.split(' ').second.trim();
    }
    s.text = part.str();
    auto [opcode, rest] = StringRef(s.text).split(' ');
    opcode.split(s.words, '.');
    std::string flat;
    llvm::copy_if(rest, std::back_inserter(flat), [](char c) { return !StringRef("{}[] ").contains(c); });
    llvm::SmallVector<StringRef> operands;
    StringRef(flat).split(operands, ',', -1, false);
    for (StringRef operand : operands)
      s.operands.push_back(operandOf(operand));
    for (StringRef word : s.words) {
      unsigned number = 0;
      if (word.size() > 1 && word[0] == 'v' && !word.drop_front().getAsInteger(10, number))
        s.count = number;
      if (word.size() > 1 && StringRef("bfsu").contains(word[0]) && !word.drop_front().getAsInteger(10, number))
        s.bytes = number / 8;
    }
    if (s.words[0] == "bra")
      for (auto &[label, target] : labels)
        if (StringRef(flat) == label)
          s.target = target;
    s.execute = executorOf(s);
    if (!s.execute)
      s.execute = productOf(s);
    if (!s.execute)
      s.execute = copyOf(s);
    if (!s.execute && s.words[0] != "bra")
      problem += "no one knows the instruction '" + s.text + "'\n";
    statements.push_back(std::move(s));
  }
  for (Statement &s : statements) { // texts have moved
    s.words.clear();
    StringRef(s.text).split(' ').first.split(s.words, '.');
  }
}

void Assembly::run(GpuThread &thread, uint64_t *values) const {
  for (auto [result, operand] : tied)
    values[result] = values[operand];
  for (size_t next = 0; next < statements.size(); ++next) {
    const Statement &s = statements[next];
    if (s.guard >= 0 && (values[s.guard] != 0) == s.isNegated)
      continue;
    if (s.execute)
      s.execute(thread, s, values);
    else
      next = s.target - 1;
  }
}

} // namespace tenon::test
