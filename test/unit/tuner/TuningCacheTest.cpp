// The tuning cache: what is written is read again, and nothing that a file may hold is fatal.
#include "lib/Tuner/TuningCache.h"
#include <gtest/gtest.h>
#include <filesystem>
#include <fstream>

namespace tenon {
namespace {

TuningRecord someRecord() {
  TuningRecord record;
  record.kernel = "0123456789abcdef0123456789abcdef";
  record.name = "conv_relu_3";
  record.family = "contraction";
  record.schedule = R"(#kernel.schedule<"contraction", {mr = 6 : i64, order = "ji"}>)";
  record.target = "x86_64 avx2 fma";
  record.cpu = "A \"quoted\" CPU";
  record.threads = 2;
  record.ns = 1500;
  record.untunedNs = 2000;
  record.candidates = 40;
  record.discarded = 1;
  record.complete = true;
  return record;
}

class CacheFile : public testing::Test {
protected:
  void SetUp() override {
    path = (std::filesystem::temp_directory_path() / ("tenon-cache-" + std::to_string(::getpid()) + ".jsonl")).string();
    std::filesystem::remove(path);
  }
  void TearDown() override { std::filesystem::remove(path); }
  void write(const std::string &text) { std::ofstream(path, std::ios::binary) << text; }
  std::string text() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string path;
};

TEST_F(CacheFile, RecordsSurviveAppendingAndReading) {
  TuningRecord record = someRecord();
  EXPECT_EQ(appendTuningRecord(path, record), "");
  record.complete = false;
  EXPECT_EQ(appendTuningRecord(path, record), "");
  TuningCache cache = readTuningCache(path);
  EXPECT_TRUE(cache.problems.empty());
  ASSERT_EQ(cache.records.size(), 2u);
  EXPECT_EQ(tuningLine(cache.records[1]), tuningLine(record));
  EXPECT_EQ(cache.records[1].line, 2);
  EXPECT_EQ(cache.records[0].cpu, "A \"quoted\" CPU");
}

TEST_F(CacheFile, WhatIsKnownOfNetworksSurvivesToo) {
  TuningRecord record = someRecord();
  EXPECT_EQ(tuningLine(record).find("network"), std::string::npos);
  EXPECT_EQ(tuningLine(record).find("close"), std::string::npos);
  record.network = 3;
  record.close = {{"#kernel.schedule<\"loops\", {}>", 1600}, {"#kernel.schedule<\"contraction\", {}>", 1700}};
  EXPECT_EQ(appendTuningRecord(path, record), "");
  TuningCache cache = readTuningCache(path);
  ASSERT_EQ(cache.records.size(), 1u);
  EXPECT_EQ(tuningLine(cache.records[0]), tuningLine(record));
  EXPECT_EQ(cache.records[0].network, 3);
  ASSERT_EQ(cache.records[0].close.size(), 2u);
  EXPECT_EQ(cache.records[0].close[1].ns, 1700);
}

TEST_F(CacheFile, AnAbsentFileIsAnEmptyCache) {
  TuningCache cache = readTuningCache(path);
  EXPECT_TRUE(cache.records.empty() && cache.problems.empty());
}

TEST_F(CacheFile, BadLinesAreSkippedByNumber) {
  std::string good = tuningLine(someRecord());
  write("not json\n" + good + "\n[1, 2]\n{\"tenon_tuning\": 99}\n{\"tenon_tuning\": 1, \"kernel\": 3}\n\xff\xfe\n" + good + good.substr(0, 90));
  TuningCache cache = readTuningCache(path);
  ASSERT_EQ(cache.records.size(), 2u);
  EXPECT_EQ(cache.records[1].line, 8);
  ASSERT_EQ(cache.problems.size(), 6u);
  EXPECT_NE(cache.problems[0].find("line 1 is not JSON"), std::string::npos) << cache.problems[0];
  EXPECT_NE(cache.problems[1].find("line 4 is not a tuning record"), std::string::npos) << cache.problems[1];
  EXPECT_NE(cache.problems[2].find("line 5 has version 99"), std::string::npos) << cache.problems[2];
  EXPECT_NE(cache.problems[3].find("'kernel'"), std::string::npos) << cache.problems[3];
  EXPECT_NE(cache.problems[5].find("line 9 is not JSON"), std::string::npos) << cache.problems[5];
}

TEST_F(CacheFile, NumbersMustBePossible) {
  TuningRecord written = someRecord();
  written.network = 1;
  written.close = {{"x", 1600}};
  std::string good = tuningLine(written);
  for (auto [from, to] :
       {std::pair("\"network\":1", "\"network\":-1"), std::pair("\"network\":1", "\"network\":true"),
        std::pair("\"schedule\":\"x\"", "\"schedule\":7"), std::pair("\"ns\":1600", "\"ns\":-1600"), std::pair("\"close\":[{", "\"close\":[5,{"),
        std::pair("\"threads\":2", "\"threads\":0"), std::pair("\"threads\":2", "\"threads\":1e300"), std::pair("\"ns\":1500", "\"ns\":-1"),
        std::pair("\"ns\":1500", "\"ns\":\"1\""), std::pair("\"complete\":true", "\"complete\":1"), std::pair("0123456789abcdef", "xyz")}) {
    std::string line = good;
    ASSERT_NE(line.find(from), std::string::npos) << from << " in " << line;
    line.replace(line.find(from), strlen(from), to);
    llvm::Expected<TuningRecord> record = parseTuningLine(line);
    EXPECT_FALSE(bool(record)) << line;
    llvm::consumeError(record.takeError());
  }
}

TEST_F(CacheFile, EveryTruncationIsHarmless) {
  std::string line = tuningLine(someRecord());
  for (size_t length = 0; length < line.size() - 1; ++length) {
    llvm::Expected<TuningRecord> record = parseTuningLine(llvm::StringRef(line).take_front(length));
    EXPECT_FALSE(bool(record)) << length;
    llvm::consumeError(record.takeError());
  }
}

TEST_F(CacheFile, AppendingAfterAHalfWrittenLineStartsANewOne) {
  std::string good = tuningLine(someRecord());
  write(good + good.substr(0, 50));
  EXPECT_EQ(appendTuningRecord(path, someRecord()), "");
  EXPECT_EQ(text(), good + good.substr(0, 50) + "\n" + good);
}

TEST_F(CacheFile, RewritingKeepsTheBestOfEachKernel) {
  TuningRecord partial = someRecord(), slow = someRecord(), fast = someRecord(), other = someRecord();
  partial.complete = false;
  partial.ns = 100;
  fast.ns = 1200;
  other.threads = 1;
  write(tuningLine(partial) + tuningLine(slow) + "garbage\n");
  EXPECT_EQ(rewriteTuningCache(path, {other, fast}), "");
  EXPECT_EQ(text(), tuningLine(other) + tuningLine(fast));
  EXPECT_EQ(rewriteTuningCache(path, {}), "");
  EXPECT_EQ(text(), tuningLine(other) + tuningLine(fast));
}

TEST_F(CacheFile, ErrorsOfTheFileSystemAreReturned) {
  EXPECT_NE(appendTuningRecord("/nowhere/at/all.jsonl", someRecord()), "");
  EXPECT_NE(rewriteTuningCache("/nowhere/at/all.jsonl", {}), "");
  EXPECT_EQ(readTuningCache(std::filesystem::temp_directory_path().string()).problems.size(), 1u);
}

TEST(TuningLookup, WhatWasChosenInANetworkComesBeforeWhatIsFasterAlone) {
  TuningRecord alone = someRecord(), first = someRecord(), second = someRecord();
  first.network = 1;
  second.network = 2;
  first.ns = 2 * alone.ns;
  second.ns = 3 * alone.ns;
  TuningCache cache{{alone, second, first}, {}};
  auto found = recordsFor(cache, alone.kernel, alone.target, alone.cpu, 2);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0]->network, 2);
  EXPECT_EQ(found[1]->network, 1);
}

TEST(TuningLookup, ThisMachineThenThreadsThenComplete) {
  TuningRecord foreign = someRecord(), wide = someRecord(), partial = someRecord(), best = someRecord(), arm = someRecord();
  foreign.cpu = "another";
  wide.threads = 8;
  partial.complete = false;
  arm.target = "aarch64 neon";
  TuningCache cache{{foreign, wide, partial, best, arm}, {}};
  auto found = recordsFor(cache, best.kernel, best.target, best.cpu, 2);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0], &cache.records[3]);
  EXPECT_EQ(found[1], &cache.records[2]);
  EXPECT_EQ(found[2], &cache.records[1]);
  EXPECT_EQ(found[3], &cache.records[0]);
  EXPECT_TRUE(recordsFor(cache, "another kernel", best.target, best.cpu, 2).empty());
}

} // namespace
} // namespace tenon
