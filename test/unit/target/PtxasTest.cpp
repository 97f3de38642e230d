// Which assembler is taken, and what is said where none can be. Programs that print a version stand for ptxas.
#include "lib/Target/Gpu.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <gtest/gtest.h>
#include <optional>

namespace tenon {
namespace {

/// A folder with programs, and an environment that leads nowhere else; both are put back.
class PtxasTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("tenon-ptxas", folder));
    for (const char *name : {"TENON_PTXAS", "PATH", "CUDA_HOME", "CUDA_PATH", "VIRTUAL_ENV", "TENON_PYTHON"}) {
      const char *value = std::getenv(name);
      before.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
      unsetenv(name);
    }
  }
  void TearDown() override {
    for (auto &[name, value] : before)
      value ? setenv(name, value->c_str(), 1) : unsetenv(name);
    llvm::sys::fs::remove_directories(folder);
  }

  /// A program `place`/bin/ptxas that prints `said`; returns the folder `place`.
  std::string program(llvm::StringRef place, llvm::StringRef said) {
    std::string root = (folder + "/" + place).str(), path = root + "/bin/ptxas";
    EXPECT_FALSE(llvm::sys::fs::create_directories(root + "/bin"));
    std::error_code error;
    llvm::raw_fd_ostream(path, error) << "#!/bin/sh\necho '" << said << "'\n";
    EXPECT_FALSE(error);
    EXPECT_FALSE(llvm::sys::fs::setPermissions(path, llvm::sys::fs::perms::all_all));
    return root;
  }

  llvm::SmallString<64> folder;
  std::vector<std::pair<const char *, std::optional<std::string>>> before;
};

constexpr llvm::StringRef kOld = "Cuda compilation tools, release 11.4, V11.4.48", kNew = "Cuda compilation tools, release 12.8, V12.8.61";

TEST_F(PtxasTest, OneThatIsTooOldIsPassedOver) {
  std::string old = program("old", kOld), recent = program("new", kNew), reason;
  setenv("PATH", (old + "/bin").c_str(), 1);
  setenv("CUDA_HOME", recent.c_str(), 1);
  auto found = Ptxas::find(74, reason); // PTX 7.4 came with CUDA 11.4
  ASSERT_TRUE(found && *found) << reason;
  EXPECT_EQ((*found)->path, old + "/bin/ptxas");
  EXPECT_EQ((*found)->release, 114);
  found = Ptxas::find(80, reason); // 8.0 with CUDA 12.0
  ASSERT_TRUE(found && *found) << reason;
  EXPECT_EQ((*found)->path, recent + "/bin/ptxas");
}

TEST_F(PtxasTest, WithoutOneTheReasonNamesAll) {
  std::string old = program("old", kOld), other = program("other", "no version"), reason;
  setenv("TENON_PTXAS", (old + "/bin/ptxas").c_str(), 1); // and nothing else is looked at
  auto found = Ptxas::find(80, reason);
  ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
  EXPECT_FALSE(*found);
  EXPECT_EQ(reason, old + "/bin/ptxas is of CUDA 11.4, PTX 8.0 needs 12.0 or newer");
  // PTX 9.9 is newer than what any CUDA is known to read, so that not even one in /usr/local/cuda is taken.
  unsetenv("TENON_PTXAS");
  setenv("PATH", (old + "/bin").c_str(), 1);
  setenv("CUDA_HOME", other.c_str(), 1);
  found = Ptxas::find(99, reason);
  ASSERT_TRUE(bool(found)) << llvm::toString(found.takeError());
  EXPECT_FALSE(*found);
  EXPECT_NE(reason.find(old + "/bin/ptxas is of CUDA 11.4, PTX 9.9"), std::string::npos) << reason;
  EXPECT_NE(reason.find(other + "/bin/ptxas: its version could not be read"), std::string::npos) << reason;
}

TEST_F(PtxasTest, OneThatIsNamedHasToWork) {
  std::string other = program("other", "no version") + "/bin/ptxas", reason;
  for (std::string path : {std::string("/nonexistent/ptxas"), other, std::string()}) {
    setenv("TENON_PTXAS", path.c_str(), 1);
    auto found = Ptxas::find(80, reason);
    ASSERT_FALSE(bool(found)) << path;
    std::string said = llvm::toString(found.takeError());
    EXPECT_TRUE(llvm::StringRef(said).starts_with("TENON_PTXAS: ")) << said;
    EXPECT_NE(said.find(path), std::string::npos) << said;
  }
}

TEST_F(PtxasTest, WhatItWritesHasToBeMachineCode) {
  std::string path = program("rubbish", "hello") + "/bin/ptxas", said;
  std::error_code error;
  llvm::raw_fd_ostream(path, error) << "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\necho hello >\"$2\"\n";
  ASSERT_FALSE(error);
  auto code = Ptxas{path, 130}.assemble(".version 8.0", "sm_90");
  ASSERT_FALSE(code);
  llvm::handleAllErrors(code.takeError(), [&](const llvm::ErrorInfoBase &info) { said = info.message(); });
  EXPECT_EQ(said, path + " wrote no machine code for sm_90");
}

TEST_F(PtxasTest, PackagesOfPythonEnvironments) {
  std::string active = program("active/lib/python3.12/site-packages/nvidia/cu13", "release 98.0, V98.0"), reason;
  std::string running = program("running/lib/python3.12/site-packages/nvidia/cuda_nvcc", "release 99.0, V99.0");
  setenv("VIRTUAL_ENV", (folder + "/active").str().c_str(), 1);
  setenv("TENON_PYTHON", (folder + "/running/bin/python").str().c_str(), 1);
  constexpr int kNewer = 930; // than any that is installed: 97.0's
  auto found = Ptxas::find(kNewer, reason);
  ASSERT_TRUE(found && *found) << reason;
  EXPECT_EQ((*found)->path, active + "/bin/ptxas");
  unsetenv("VIRTUAL_ENV");
  found = Ptxas::find(kNewer, reason);
  ASSERT_TRUE(found && *found) << reason;
  EXPECT_EQ((*found)->path, running + "/bin/ptxas");
}

TEST_F(PtxasTest, FurtherPlacesComeLast) {
  std::string old = program("old", kOld), recent = program("further", "release 99.9, V99.9"), reason;
  setenv("CUDA_HOME", old.c_str(), 1);
  Ptxas::alsoAt(folder.str().str() + "/not-there/ptxas");
  Ptxas::alsoAt(recent + "/bin/ptxas");
  auto found = Ptxas::find(74, reason);
  ASSERT_TRUE(found && *found) << reason;
  EXPECT_EQ((*found)->path, old + "/bin/ptxas");
  found = Ptxas::find(99, reason);
  ASSERT_TRUE(found && *found) << reason;
  EXPECT_EQ((*found)->path, recent + "/bin/ptxas");
}
} // namespace
} // namespace tenon
