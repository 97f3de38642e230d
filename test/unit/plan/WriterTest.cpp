// What the writer writes, and that failures leave nothing behind.
#include "lib/Plan/PlanWriter.h"
#include "lib/Plan/Sink.h"

#include "test/unit/runtime/TestPlans.h"

#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

namespace tenon {
namespace {

namespace fs = std::filesystem;
using plan::ExprOp;

struct Folder {
  Folder() : path(fs::path(testing::TempDir()) / ("tenon-writer-" + std::to_string(getpid()))) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  size_t files() const { return size_t(std::distance(fs::directory_iterator(path), fs::directory_iterator())); }
  fs::path path;
};

std::string contents(const fs::path &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ExprTable, EqualExpressionsAreOneAndConstantsFold) {
  plan::ExprTable exprs;
  auto n = exprs.symbol(0), two = exprs.constant(2), three = exprs.constant(3);
  EXPECT_EQ(exprs.binary(ExprOp::Mul, n, two), exprs.binary(ExprOp::Mul, n, two));
  EXPECT_EQ(exprs.binary(ExprOp::Add, two, three), exprs.constant(5));
  EXPECT_EQ(exprs.binary(ExprOp::FloorDiv, exprs.constant(-7), two), exprs.constant(-4));
  EXPECT_EQ(exprs.binary(ExprOp::Mod, exprs.constant(-7), two), exprs.constant(1));
  EXPECT_EQ(exprs.binary(ExprOp::Min, two, three), two);
  EXPECT_EQ(exprs.binary(ExprOp::Max, two, three), three);
  // What is not defined stays, for the runtime to refuse.
  auto undefined = exprs.binary(ExprOp::FloorDiv, two, exprs.constant(0));
  EXPECT_EQ(exprs.exprs()[undefined].op, ExprOp::FloorDiv);
  auto overflow = exprs.binary(ExprOp::Mul, exprs.constant(INT64_MAX), two);
  EXPECT_EQ(exprs.exprs()[overflow].op, ExprOp::Mul);
}

TEST(Writer, TheSamePlanGivesTheSameBytes) {
  EXPECT_EQ(plan::writePlanToMemory(test::dynamicPlan()), plan::writePlanToMemory(test::dynamicPlan()));
}

TEST(Writer, TheFileHoldsTheBytes) {
  Folder folder;
  fs::path path = folder.path / "x.plan";
  ASSERT_EQ(plan::writePlan(test::staticPlan(), path), "");
  auto bytes = plan::writePlanToMemory(test::staticPlan());
  std::string file = contents(path);
  ASSERT_EQ(file.size(), bytes.size());
  EXPECT_EQ(std::memcmp(file.data(), bytes.data(), bytes.size()), 0);
  EXPECT_EQ(folder.files(), 1u);
}

TEST(Writer, AConstantBehindOneWithoutBytesIsWritten) {
  constexpr std::string_view kText = "behind a constant without bytes";
  plan::Plan plan = test::staticPlan();
  plan.constants.push_back({"nothing", kText.data(), 0});
  plan.constants.push_back({"text", kText.data(), kText.size()});
  auto bytes = plan::writePlanToMemory(plan);
  std::string_view file(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  EXPECT_NE(file.find(kText), file.npos);
}

TEST(Writer, ReplacesWhatALinkLeadsTo) {
  Folder folder;
  std::ofstream(folder.path / "real.plan") << "old";
  fs::create_symlink("real.plan", folder.path / "link.plan");
  ASSERT_EQ(plan::writePlan(test::staticPlan(), folder.path / "link.plan"), "");
  EXPECT_TRUE(fs::is_symlink(folder.path / "link.plan"));
  EXPECT_GT(fs::file_size(folder.path / "real.plan"), 4096u);
}

TEST(Writer, FailuresLeaveNothingBehind) {
  Folder folder;
  fs::create_directory(folder.path / "folder");
  EXPECT_NE(plan::writePlan(test::staticPlan(), folder.path / "folder"), "");
  EXPECT_NE(plan::writePlan(test::staticPlan(), folder.path / "missing" / "x.plan"), "");
  EXPECT_NE(plan::writePlan(test::staticPlan(), "/dev/null"), "");
  EXPECT_EQ(folder.files(), 1u);
}

// A limit on the size of files stands in for a full disk: writing fails half-way.
TEST(Writer, AFileHasNoNameBeforeItIsWhole) {
  Folder folder;
  int unnamed = open(folder.path.c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (unnamed < 0)
    GTEST_SKIP() << "this file system has no files without a name";
  close(unnamed);
  fs::path path = folder.path / "x.plan";
  plan::FileSink sink(path);
  sink.append("half", 4);
  EXPECT_EQ(folder.files(), 0u);
  EXPECT_EQ(sink.finish(), "");
  EXPECT_EQ(folder.files(), 1u);
  EXPECT_EQ(contents(path), "half");
}

TEST(Writer, AFullDiskIsAnError) {
  Folder folder;
  std::ofstream(folder.path / "x.plan") << "old";
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto oldHandler = signal(SIGXFSZ, SIG_IGN);
  rlimit limited = {4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limited);
  std::string error = plan::writePlan(test::staticPlan(), folder.path / "x.plan");
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, oldHandler);
  EXPECT_NE(error.find("cannot write"), std::string::npos) << error;
  EXPECT_EQ(contents(folder.path / "x.plan"), "old");
  EXPECT_EQ(folder.files(), 1u);
}

// Opening reads the metadata only: half a gigabyte of weights makes no difference.
TEST(Writer, OpeningIsQuickWhateverTheSize) {
  Folder folder;
  std::vector<char> weights(size_t(256) << 20);
  plan::Plan plan = test::staticPlan();
  plan.constants.push_back({"large", weights.data(), weights.size()});
  fs::path path = folder.path / "large.plan";
  ASSERT_EQ(plan::writePlan(plan, path), "");
  double best = 1;
  for (int i = 0; i < 10; ++i) {
    auto start = std::chrono::steady_clock::now();
    tn_plan *opened = nullptr;
    ASSERT_EQ(tn_plan_open(path.c_str(), 0, &opened), TN_OK) << tn_last_error();
    tn_plan_close(opened);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::printf("open: %.3f ms\n", best * 1e3);
#ifndef TENON_SANITIZED
  EXPECT_LT(best, 1e-3);
#endif
}

} // namespace
} // namespace tenon
