// Thompson's construction, and subsets of its states (Aho, Lam, Sethi, Ullman: Compilers, 3.7). Assertions are looked at when the next byte is known:
// a state of the table is a set of places in the pattern together with what kind of byte came before.
#include "lib/Importer/RegularExpression.h"

#include "llvm/ADT/StringExtras.h"
#include <bitset>
#include <map>
#include <vector>

namespace tenon::importer {
using llvm::StringRef;

namespace {

using Bytes = std::bitset<256>;
enum class Assertion { None, Begin, End, Boundary, NoBoundary };

/// A place in the pattern: reads a byte of `bytes` and goes to `out`, or goes to `out` and `other` without reading, where the assertion holds.
struct Place {
  Bytes bytes;
  bool reads = false;
  Assertion assertion = Assertion::None;
  int out = -1, other = -1;
};

constexpr size_t kMostPlaces = 2000, kMostStates = 1000;
constexpr int kMostRepetitions = 1000, kDeepest = 100; // RE2's limit; nested groups

bool isWord(int byte) { return byte < 128 && (llvm::isAlnum(char(byte)) || byte == '_'); }

Bytes range(int first, int last) {
  Bytes bytes;
  for (int byte = first; byte <= last; ++byte)
    bytes.set(size_t(byte));
  return bytes;
}

/// ASCII characters, and whether every other character belongs to it too.
struct CharacterClass {
  Bytes ascii;
  bool hasOthers = false;
};

/// A pattern as a tree.
struct Part {
  enum class Kind { Byte, Class, Assertion, Sequence, Alternatives, Repetition };
  explicit Part(Kind kind) : kind(kind) {}

  Kind kind;
  int byte = 0;
  CharacterClass set;
  Assertion assertion = Assertion::None;
  std::vector<Part> parts; // of a repetition one
  int least = 1, most = 1; // -1: without end
};

Part byteOf(int byte) {
  Part part{Part::Kind::Byte};
  part.byte = byte;
  return part;
}
Part classOf(const CharacterClass &set) {
  Part part{Part::Kind::Class};
  part.set = set;
  return part;
}
Part assertionOf(Assertion assertion) {
  Part part{Part::Kind::Assertion};
  part.assertion = assertion;
  return part;
}

class Parser {
public:
  Parser(StringRef pattern, PatternProblem &problem) : rest(pattern), problem(problem) {}

  Part parse() {
    Part all = alternatives(0);
    if (!rest.empty())
      fail("has a ) without a (");
    return all;
  }

private:
  void fail(const char *what, bool isIllFormed = true) {
    if (problem.text.empty())
      problem = {what, isIllFormed};
    rest = {};
  }
  void refuse(const char *what) { fail(what, /*isIllFormed=*/false); }
  bool consume(StringRef text) { return rest.consume_front(text); }

  Part alternatives(int depth) {
    Part out{Part::Kind::Alternatives};
    if (depth > kDeepest)
      refuse("has too many groups within each other");
    do
      out.parts.push_back(sequence(depth));
    while (consume("|"));
    return out;
  }

  Part sequence(int depth) {
    Part out{Part::Kind::Sequence};
    while (!rest.empty() && rest[0] != '|' && rest[0] != ')')
      out.parts.push_back(repeated(depth));
    return out;
  }

  Part repeated(int depth) {
    Part out{Part::Kind::Repetition};
    out.parts.push_back(atom(depth));
    if (!repetition(out.least, out.most))
      return std::move(out.parts[0]);
    consume("?"); // lazy: the same strings match
    int least, most;
    if (repetition(least, most))
      fail("repeats a repetition");
    return out;
  }

  /// Whether a number follows, which has no zeros before it.
  bool count(int &value) {
    bool hasZero = rest.size() > 1 && rest[0] == '0' && llvm::isDigit(rest[1]);
    return !hasZero && !rest.empty() && llvm::isDigit(rest[0]) && !rest.consumeInteger(10, value);
  }

  /// Whether a repetition follows.
  bool repetition(int &least, int &most) {
    if (consume("*"))
      return least = 0, most = -1, true;
    if (consume("+"))
      return least = 1, most = -1, true;
    if (consume("?"))
      return least = 0, most = 1, true;
    StringRef start = rest;
    bool isCounted = consume("{") && count(least);
    most = least;
    if (isCounted && consume(",")) {
      most = -1;
      isCounted = rest.starts_with("}") || count(most);
    }
    if (!isCounted || !consume("}")) {
      rest = start; // a character then
      return false;
    }
    if (least > kMostRepetitions || most > kMostRepetitions || (most >= 0 && most < least))
      fail("repeats something more than 1000 times, or at least more often than at most");
    return true;
  }

  Part atom(int depth) {
    if (consume("("))
      return group(depth);
    if (consume("["))
      return bracket();
    if (consume("^"))
      return assertionOf(Assertion::Begin);
    if (consume("$"))
      return assertionOf(Assertion::End);
    if (consume("."))
      return classOf({range(0, 127) & ~range('\n', '\n'), true});
    if (consume("\\"))
      return escape();
    if (rest[0] == '*' || rest[0] == '+' || rest[0] == '?')
      fail("repeats nothing");
    return character();
  }

  /// One character as it stands: in UTF-8, of one byte or several.
  Part character() {
    Part out{Part::Kind::Sequence};
    bool isLong = !rest.empty() && (uint8_t(rest[0]) & 0xC0) == 0xC0;
    do {
      if (!rest.empty())
        out.parts.push_back(byteOf(uint8_t(rest[0])));
      rest = rest.drop_front(std::min<size_t>(rest.size(), 1));
    } while (isLong && !rest.empty() && (uint8_t(rest[0]) & 0xC0) == 0x80);
    return out;
  }

  Part group(int depth) {
    if (consume("?")) {
      bool isNamed = consume("P<") || (!rest.starts_with("<=") && !rest.starts_with("<!") && consume("<"));
      size_t end = rest.find('>');
      bool isName = end != StringRef::npos && end > 0 && llvm::all_of(rest.take_front(end), [](char c) { return llvm::isAlnum(c) || c == '_'; });
      if (isNamed && !isName)
        fail("has a group whose name does not end, is empty or has other characters than letters, digits and _");
      else if (isNamed)
        rest = rest.drop_front(end + 1);
      else if (rest.starts_with("=") || rest.starts_with("!") || rest.starts_with("<"))
        fail("looks around, which RE2's syntax does not have");
      else if (!consume(":"))
        refuse("has flags");
    }
    Part inner = alternatives(depth + 1);
    if (!consume(")"))
      fail("has a ( without a )");
    return inner;
  }

  static CharacterClass negated(const CharacterClass &set) { return {range(0, 127) & ~set.ascii, !set.hasOthers}; }

  /// The class of \d \w \s and their opposites.
  static std::optional<CharacterClass> named(char c) {
    CharacterClass set;
    switch (llvm::toLower(c)) {
    case 'd':
      set.ascii = range('0', '9');
      break;
    case 'w':
      set.ascii = range('0', '9') | range('a', 'z') | range('A', 'Z') | range('_', '_');
      break;
    case 's':
      set.ascii = range('\t', '\n') | range('\f', '\r') | range(' ', ' ');
      break;
    default:
      return std::nullopt;
    }
    return llvm::isUpper(c) ? negated(set) : set;
  }

  /// The character that an escape stands for, which begins behind the backslash; 0 after a failure.
  int escaped() {
    char c = rest.empty() ? '\0' : rest[0];
    rest = rest.drop_front(std::min<size_t>(rest.size(), 1));
    static constexpr StringRef letters = "nrtfva", meanings = "\n\r\t\f\v\a";
    if (size_t at = letters.find(c); at != StringRef::npos)
      return meanings[at];
    if (llvm::isPunct(c))
      return c;
    int value;
    if (c == 'x' && rest.size() >= 2 && !rest.take_front(2).getAsInteger(16, value) && value < 128) {
      rest = rest.drop_front(2);
      return value;
    }
    if (rest.empty() && c == '\0')
      fail("ends in a backslash");
    else if (StringRef("xpPQCE01234567").contains(c))
      refuse("has an escape that is not supported");
    else
      fail("has an escape that is none");
    return 0;
  }

  Part escape() {
    if (consume("A"))
      return assertionOf(Assertion::Begin);
    if (consume("z"))
      return assertionOf(Assertion::End);
    if (consume("b"))
      return assertionOf(Assertion::Boundary);
    if (consume("B"))
      return assertionOf(Assertion::NoBoundary);
    if (std::optional<CharacterClass> set = rest.empty() ? std::nullopt : named(rest[0])) {
      rest = rest.drop_front();
      return classOf(*set);
    }
    return byteOf(escaped());
  }

  /// One end of a range within brackets.
  int bracketCharacter() {
    if (consume("\\"))
      return escaped();
    if (rest.empty() || uint8_t(rest[0]) >= 128) {
      rest.empty() ? fail("has a [ without a ]") : refuse("has a class with characters outside ASCII");
      return 0;
    }
    int value = rest[0];
    rest = rest.drop_front();
    return value;
  }

  Part bracket() {
    CharacterClass set;
    bool isNegated = consume("^"), isFirst = true;
    while (!rest.empty() && (rest[0] != ']' || isFirst)) {
      isFirst = false;
      if (rest.starts_with("[:"))
        refuse("has a named class in brackets");
      std::optional<CharacterClass> inner = rest.size() > 1 && rest[0] == '\\' ? named(rest[1]) : std::nullopt;
      if (inner) {
        rest = rest.drop_front(2);
        set.ascii |= inner->ascii;
        set.hasOthers |= inner->hasOthers;
        continue;
      }
      int first = bracketCharacter(), last = first;
      if (rest.size() > 1 && rest[0] == '-' && rest[1] != ']') {
        rest = rest.drop_front();
        last = bracketCharacter();
      }
      if (first > last)
        fail("has a range that ends before it begins");
      set.ascii |= range(first, last);
    }
    if (!consume("]"))
      fail("has a [ without a ]");
    return classOf(isNegated ? negated(set) : set);
  }

  StringRef rest;
  PatternProblem &problem;
};

/// Places for the parts of a pattern, each built in front of what follows it.
class PlaceBuilder {
public:
  explicit PlaceBuilder(PatternProblem &problem) : problem(problem) {}

  std::vector<Place> places;

  int add(Place place) {
    if (places.size() >= kMostPlaces)
      problem = {"needs too many states", false};
    else
      places.push_back(place);
    return int(places.size()) - 1;
  }

  /// The first place of `part`, after which `next` comes.
  int before(int next, const Part &part) {
    if (!problem.text.empty())
      return next;
    switch (part.kind) {
    case Part::Kind::Byte:
      return reading(range(part.byte, part.byte), next);
    case Part::Kind::Class:
      return anyOf(part.set, next);
    case Part::Kind::Assertion: {
      Place place;
      place.assertion = part.assertion;
      place.out = next;
      return add(place);
    }
    case Part::Kind::Sequence:
      for (size_t i = part.parts.size(); i-- > 0;)
        next = before(next, part.parts[i]);
      return next;
    case Part::Kind::Alternatives: {
      int first = before(next, part.parts[0]);
      for (size_t i = 1; i < part.parts.size(); ++i)
        first = fork(first, before(next, part.parts[i]));
      return first;
    }
    case Part::Kind::Repetition:
      return repeated(next, part);
    }
    return next;
  }

private:
  int fork(int a, int b) {
    Place place;
    place.out = a;
    place.other = b;
    return add(place);
  }
  int reading(const Bytes &bytes, int next) {
    Place place;
    place.bytes = bytes;
    place.reads = true;
    place.out = next;
    return add(place);
  }

  int repeated(int next, const Part &part) {
    int first = next;
    if (part.most < 0) {
      int loop = fork(-1, next), body = before(loop, part.parts[0]);
      places[size_t(loop)].out = body;
      first = loop;
    }
    for (int i = part.least; i < part.most && problem.text.empty(); ++i)
      first = fork(before(first, part.parts[0]), next);
    for (int i = 0; i < part.least && problem.text.empty(); ++i)
      first = before(first, part.parts[0]);
    return first;
  }

  /// A character of a class, where the others are those of several bytes (RFC 3629, section 4).
  int anyOf(const CharacterClass &set, int next) {
    int first = reading(set.ascii, next);
    if (!set.hasOthers)
      return first;
    Bytes tail = range(0x80, 0xBF);
    int one = reading(tail, next), two = reading(tail, one), three = reading(tail, two);
    const std::pair<Bytes, int> leads[] = {{range(0xC2, 0xDF), one},
                                           {range(0xE0, 0xE0), reading(range(0xA0, 0xBF), one)},
                                           {range(0xE1, 0xEC) | range(0xEE, 0xEF), two},
                                           {range(0xED, 0xED), reading(range(0x80, 0x9F), one)},
                                           {range(0xF0, 0xF0), reading(range(0x90, 0xBF), two)},
                                           {range(0xF1, 0xF3), three},
                                           {range(0xF4, 0xF4), reading(range(0x80, 0x8F), two)}};
    for (const auto &[lead, to] : leads)
      first = fork(first, reading(lead, to));
    return first;
  }

  PatternProblem &problem;
};

/// Sets of places, and the bytes that lead from one to another.
class Subsets {
public:
  Subsets(const std::vector<Place> &places, int last) : places(places), last(last) {}

  std::optional<Automaton> build(int first, PatternProblem &problem) {
    Automaton out;
    accepted = stateOf({{}, Before::Accepted});
    rejected = stateOf({{}, Before::Rejected});
    out.first = stateOf({{first}, Before::Nothing});
    for (size_t state = 0; state < states.size(); ++state) {
      if (states.size() > kMostStates) {
        problem = {"needs a table of too many states", false};
        return std::nullopt;
      }
      for (int symbol = 0; symbol < Automaton::kColumns; ++symbol)
        out.next.push_back(step(int(state), symbol));
    }
    out.isAccepting.assign(states.size(), false);
    out.isAccepting[size_t(accepted)] = true;
    return out;
  }

private:
  enum class Before { Nothing, Word, Other, Accepted, Rejected };
  struct Key {
    std::vector<int> set; // sorted
    Before before;
    bool operator<(const Key &other) const { return std::tie(before, set) < std::tie(other.before, other.set); }
  };

  int stateOf(Key key) {
    auto [entry, isNew] = ids.try_emplace(key, int(states.size()));
    if (isNew)
      states.push_back(key);
    return entry->second;
  }

  bool holds(Assertion assertion, Before before, int symbol) const {
    bool word = before == Before::Word, next = symbol != Automaton::kEnd && isWord(symbol);
    switch (assertion) {
    case Assertion::None:
      return true;
    case Assertion::Begin:
      return before == Before::Nothing;
    case Assertion::End:
      return symbol == Automaton::kEnd;
    case Assertion::Boundary:
      return word != next;
    case Assertion::NoBoundary:
      return word == next;
    }
    return false;
  }

  int step(int state, int symbol) {
    Key key = states[size_t(state)];
    if (key.before == Before::Accepted || key.before == Before::Rejected)
      return state;
    // What is reached without reading, now that the next byte is known.
    std::vector<bool> seen(places.size());
    std::vector<int> open = key.set, to;
    bool isAccepted = false;
    while (!open.empty()) {
      int at = open.back();
      open.pop_back();
      if (at < 0 || seen[size_t(at)])
        continue;
      seen[size_t(at)] = true;
      const Place &place = places[size_t(at)];
      isAccepted |= at == last;
      if (place.reads) {
        if (symbol != Automaton::kEnd && place.bytes.test(size_t(symbol)))
          to.push_back(place.out);
      } else if (holds(place.assertion, key.before, symbol)) {
        open.push_back(place.out);
        open.push_back(place.other);
      }
    }
    if (symbol == Automaton::kEnd)
      return isAccepted ? accepted : rejected;
    if (to.empty())
      return rejected;
    llvm::sort(to);
    to.erase(std::unique(to.begin(), to.end()), to.end());
    return stateOf({to, isWord(symbol) ? Before::Word : Before::Other});
  }

  const std::vector<Place> &places;
  int last, accepted = 0, rejected = 0;
  std::map<Key, int> ids;
  std::vector<Key> states;
};

} // namespace

std::optional<Automaton> compileRegularExpression(StringRef pattern, PatternProblem &problem) {
  problem = {};
  Part all = Parser(pattern, problem).parse();
  PlaceBuilder builder(problem);
  int last = builder.add({}), first = builder.before(last, all);
  if (!problem.text.empty())
    return std::nullopt;
  return Subsets(builder.places, last).build(first, problem);
}

} // namespace tenon::importer
