// A compiler that crashes leaves what reproduces it, and the process goes on.
#include "lib/Compiler/Reproducer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>

using namespace mlir;
using namespace tenon;

namespace {
/// Does what it is told to do to every module.
struct TestPass : PassWrapper<TestPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestPass)
  explicit TestPass(void (*action)()) : action(action) {}
  StringRef getArgument() const override { return "test-crash"; }
  void runOnOperation() override { action(); }
  void (*action)();
};

class Reproducer : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("reproducer", "mlir", path));
    llvm::sys::fs::remove(path);
  }
  void TearDown() override { llvm::sys::fs::remove(path); }

  LogicalResult run(void (*action)()) {
    ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) { return success(); });
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    (*module)->setAttr("tenon.phase", StringAttr::get(&context, "import"));
    PassManager pm(&context);
    pm.addPass(std::make_unique<TestPass>(action));
    writeOnFailure(pm, path);
    return pm.run(*module);
  }

  MLIRContext context;
  llvm::SmallString<128> path;
};
} // namespace

TEST_F(Reproducer, IsWrittenWhenAPassCrashes) {
  for (void (*crash)() : {+[] { std::raise(SIGSEGV); }, +[] { std::abort(); }}) {
    EXPECT_TRUE(failed(run(crash)));
    auto written = llvm::MemoryBuffer::getFile(path);
    ASSERT_TRUE(written);
    StringRef text = (*written)->getBuffer();
    EXPECT_TRUE(text.contains("test-crash") && text.contains("tenon.phase = \"import\"")) << text.str();
    EXPECT_EQ(reproducingCommand(path), ("tenon-opt --run-reproducer " + path).str());
    llvm::sys::fs::remove(path);
  }
}

TEST_F(Reproducer, IsNotWrittenOtherwise) {
  EXPECT_TRUE(succeeded(run([] {})));
  EXPECT_FALSE(llvm::sys::fs::exists(path));
  EXPECT_EQ(reproducingCommand(path), "");
}

TEST_F(Reproducer, CrashesOfCodeGenerationAreSurvived) {
  bool isDone = false;
  EXPECT_FALSE(survives([] { std::raise(SIGSEGV); }, path));
  EXPECT_FALSE(survives([] { std::abort(); }, path));
  EXPECT_TRUE(survives([&] { isDone = true; }, path));
  EXPECT_TRUE(isDone);
}
