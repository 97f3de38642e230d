// Patterns as tables. test/python/values.py compares many of them with Python's.
#include "lib/Importer/RegularExpression.h"

#include <gtest/gtest.h>

using namespace tenon::importer;

namespace {

/// Walks the table as compiled kernels do.
bool matches(llvm::StringRef pattern, llvm::StringRef text) {
  PatternProblem problem;
  std::optional<Automaton> automaton = compileRegularExpression(pattern, problem);
  EXPECT_TRUE(automaton) << problem.text;
  if (!automaton)
    return false;
  int64_t state = automaton->first;
  for (char c : text)
    state = automaton->next[size_t(state * Automaton::kColumns + uint8_t(c))];
  for (int ends = 0; ends < 3; ++ends) // shorter strings of a tensor see the end several times
    state = automaton->next[size_t(state * Automaton::kColumns + Automaton::kEnd)];
  return automaton->isAccepting[size_t(state)];
}

std::string problemOf(llvm::StringRef pattern, bool isIllFormed = true) {
  PatternProblem problem;
  EXPECT_FALSE(compileRegularExpression(pattern, problem));
  EXPECT_EQ(problem.isIllFormed, isIllFormed) << pattern.str();
  return problem.text;
}

} // namespace

TEST(RegularExpression, WordBoundaries) {
  EXPECT_TRUE(matches(R"(www\.[\w.-]+\.\bcom\b)", "www.google.com"));
  EXPECT_FALSE(matches(R"(www\.[\w.-]+\.\bcom\b)", "www.bbc.co.uk"));
  EXPECT_TRUE(matches(R"(a\B.\Bc)", "abc"));
  EXPECT_FALSE(matches(R"(a\b.c)", "abc"));
}

TEST(RegularExpression, RepetitionsHaveBothEnds) {
  for (int count = 0; count < 7; ++count)
    EXPECT_EQ(matches("a{2,4}", std::string(size_t(count), 'a')), count >= 2 && count <= 4) << count;
  for (llvm::StringRef characters : {"a{,3}", "a{01}", "a{1,02}", "a{1 }", "a{"})
    EXPECT_TRUE(matches(characters, characters)) << "no repetition, but characters";
  EXPECT_TRUE(matches("(a*)*", "aaaa"));
}

// A character that is no ASCII is one character, whatever its bytes.
TEST(RegularExpression, CharactersOfSeveralBytes) {
  EXPECT_TRUE(matches("gr..e", "gr\u00fc\u00dfe"));
  EXPECT_TRUE(matches("[^a].", "\u65e5\U0001F600"));
  EXPECT_FALSE(matches(".", "\xff"));
  EXPECT_FALSE(matches(".", "\xed\xa0\x80")) << "half of a surrogate pair";
}

TEST(RegularExpression, IllFormed) {
  EXPECT_EQ(problemOf("(a"), "has a ( without a )");
  EXPECT_EQ(problemOf("a)"), "has a ) without a (");
  EXPECT_EQ(problemOf("[a"), "has a [ without a ]");
  EXPECT_EQ(problemOf("*"), "repeats nothing");
  EXPECT_EQ(problemOf("a**"), "repeats a repetition");
  EXPECT_EQ(problemOf("[z-a]"), "has a range that ends before it begins");
  EXPECT_EQ(problemOf("a{2}{3}"), "repeats a repetition");
  EXPECT_EQ(problemOf("(?=a)"), "looks around, which RE2's syntax does not have");
  EXPECT_EQ(problemOf("(?P<>a)"), "has a group whose name does not end, is empty or has other characters than letters, digits and _");
  EXPECT_EQ(problemOf("\\"), "ends in a backslash");
  EXPECT_EQ(problemOf("\\8"), "has an escape that is none");
}

TEST(RegularExpression, NotSupported) {
  EXPECT_EQ(problemOf("(?i)a", false), "has flags");
  EXPECT_EQ(problemOf("\\pL", false), "has an escape that is not supported");
  EXPECT_EQ(problemOf("[[:alpha:]]", false), "has a named class in brackets");
  EXPECT_EQ(problemOf("[\xC3\xA4]", false), "has a class with characters outside ASCII");
}

// What would take long, much memory, or a deep stack is refused soon.
TEST(RegularExpression, Bounded) {
  EXPECT_EQ(problemOf(std::string(100000, '('), false), "has too many groups within each other");
  EXPECT_EQ(problemOf("((a{1000}){1000}){1000}", false), "needs too many states");
  EXPECT_EQ(problemOf("[ab]*a[ab]{12}", false), "needs a table of too many states");
  EXPECT_EQ(problemOf("a{1001}"), "repeats something more than 1000 times, or at least more often than at most");
}
