// No damage to a plan goes unnoticed or does harm: truncation, flipped bytes, and metadata whose checksums are right but whose contents are not.
#include "tenon/runtime.h"

#include "runtime/plan/Checksum.h"
#include "runtime/plan/PlanFormat.h"
#include "test/unit/runtime/TestPlans.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

namespace tenon {
namespace {

using plan::FileHeader;
using plan::SectionEntry;

using Bytes = std::vector<std::byte>;

tn_status open(const Bytes &bytes, uint32_t flags = 0) {
  tn_plan *plan = nullptr;
  tn_status status = tn_plan_open_memory(bytes.data(), bytes.size(), flags, &plan);
  tn_plan_close(plan);
  return status;
}

/// Makes the checksums fit again after a change of header, table or metadata.
void repairChecksums(Bytes &bytes) {
  auto *header = reinterpret_cast<FileHeader *>(bytes.data());
  auto *table = reinterpret_cast<SectionEntry *>(bytes.data() + sizeof *header);
  for (uint32_t i = 0; i < header->sectionCount; ++i)
    table[i].checksum = plan::checksum(bytes.data() + table[i].offset, table[i].bytes);
  header->sectionTableChecksum = plan::checksum(table, header->sectionCount * sizeof *table);
  header->headerChecksum = plan::checksum(header, offsetof(FileHeader, headerChecksum));
}

TEST(Corruption, TruncatedAnywhere) {
  for (const plan::Plan &data : {test::staticPlan(), test::dynamicPlan(), test::readingPlan(), test::loopingPlan()}) {
    Bytes whole = plan::writePlanToMemory(data);
    ASSERT_EQ(open(whole), TN_OK) << tn_last_error();
    for (size_t size = 0; size < whole.size(); size += size < 4096 ? 1 : 64) {
      Bytes part(whole.begin(), whole.begin() + ptrdiff_t(size));
      part.reserve(1);
      ASSERT_EQ(open(part), TN_BAD_PLAN) << size;
    }
    whole.push_back({});
    EXPECT_EQ(open(whole), TN_BAD_PLAN);
    EXPECT_NE(std::string(tn_last_error()).find("too long"), std::string::npos);
  }
}

// Opening checks header, table, metadata and code; the full check every byte of the file.
TEST(Corruption, EveryByteFlipped) {
  Bytes bytes = plan::writePlanToMemory(test::staticPlan());
  auto *table = reinterpret_cast<const SectionEntry *>(bytes.data() + sizeof(FileHeader));
  size_t metadataEnd = table[0].offset + table[0].bytes;
  size_t paddingStart = sizeof(FileHeader) + 3 * sizeof(SectionEntry);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= std::byte(1 << i % 8);
    bool isChecked = i < paddingStart || (i >= table[0].offset && i < metadataEnd) || i >= table[2].offset;
    if (isChecked)
      ASSERT_EQ(open(bytes), TN_BAD_PLAN) << "byte " << i;
    if (i < 8192 || i % 97 == 0)
      ASSERT_EQ(tn_plan_check_memory(bytes.data(), bytes.size()), TN_BAD_PLAN) << "byte " << i;
    bytes[i] ^= std::byte(1 << i % 8);
  }
}

// With checksums made to fit, the structure has to hold by itself: nothing may crash, whatever is accepted must be usable.
TEST(Corruption, EveryMetadataByteChangedBehindTheChecksums) {
  for (const plan::Plan &data : {test::staticPlan(), test::dynamicPlan(), test::readingPlan(), test::branchingPlan(), test::loopingPlan()}) {
    const Bytes whole = plan::writePlanToMemory(data);
    size_t metadataEnd = reinterpret_cast<const SectionEntry *>(whole.data() + sizeof(FileHeader))->offset;
    metadataEnd += reinterpret_cast<const SectionEntry *>(whole.data() + sizeof(FileHeader))->bytes;
    for (size_t i = 8; i < metadataEnd; ++i)
      for (int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
        Bytes bytes = whole;
        bytes[i] = std::byte(value);
        auto *header = reinterpret_cast<FileHeader *>(bytes.data());
        if (i < sizeof(FileHeader))
          header->headerChecksum = plan::checksum(header, offsetof(FileHeader, headerChecksum));
        else if (i >= sizeof(FileHeader) + header->sectionCount * sizeof(SectionEntry))
          repairChecksums(bytes);
        else {
          header->sectionTableChecksum = plan::checksum(header + 1, header->sectionCount * sizeof(SectionEntry));
          header->headerChecksum = plan::checksum(header, offsetof(FileHeader, headerChecksum));
        }
        tn_plan *plan = nullptr;
        tn_status status = tn_plan_open_memory(bytes.data(), bytes.size(), 0, &plan);
        ASSERT_TRUE(status == TN_OK || status == TN_BAD_PLAN || status == TN_WRONG_TARGET || status == TN_UNSUPPORTED_VERSION) << tn_status_name(status);
        tn_plan_close(plan);
      }
  }
}

TEST(Corruption, ANewerFormat) {
  Bytes bytes = plan::writePlanToMemory(test::staticPlan());
  reinterpret_cast<FileHeader *>(bytes.data())->formatVersion = plan::kFormatVersion + 1;
  repairChecksums(bytes);
  EXPECT_EQ(open(bytes), TN_UNSUPPORTED_VERSION);
  EXPECT_NE(std::string(tn_last_error()).find("plan format 5; this runtime (0.1.0) reads formats 1 to 4"), std::string::npos) << tn_last_error();
}

TEST(Corruption, OtherFiles) {
  std::string text = "\x08\x07\x12\x0cskl2onnx, a model and not a plan; long enough to have a header of sixty-four bytes in it";
  EXPECT_EQ(tn_plan_check_memory(text.data(), text.size()), TN_BAD_PLAN);
  EXPECT_NE(std::string(tn_last_error()).find("compile the model with 'tenon compile' first"), std::string::npos);
}

TEST(Corruption, AnotherMachine) {
  plan::Plan other = test::staticPlan();
  other.target.features = {"avx2", "tentacles"};
  if (tn_cpu_has("avx2") != 1)
    other.target.features.erase(other.target.features.begin());
  EXPECT_EQ(open(plan::writePlanToMemory(other)), TN_WRONG_TARGET);
  EXPECT_NE(std::string(tn_last_error()).find("needs the CPU feature 'tentacles', which this runtime does not know"), std::string::npos) << tn_last_error();

  other = test::staticPlan();
  other.target.device = "cuda:sm_90";
  EXPECT_EQ(open(plan::writePlanToMemory(other)), TN_WRONG_TARGET);

  // The image's machine number has to go along with the architecture: e_machine is at byte 18 of an ELF header.
  other = test::staticPlan();
  bool onX86 = test::hostArch() == "x86_64";
  std::vector<std::byte> image = test::kernelImage();
  image[18] = onX86 ? std::byte(0xB7) : std::byte(0x3E);
  other.code = image;
  EXPECT_EQ(open(plan::writePlanToMemory(other)), TN_BAD_PLAN);
  other.target.arch = onX86 ? "aarch64" : "x86_64";
  EXPECT_EQ(open(plan::writePlanToMemory(other)), TN_WRONG_TARGET);
  EXPECT_NE(std::string(tn_last_error()).find("compiled for"), std::string::npos);
}

/// Contents that contradict each other, in a file that is intact.
TEST(Corruption, ImpossiblePlans) {
  using Change = std::function<void(plan::Plan &)>;
  auto launch = [](plan::Plan &plan, size_t step) -> plan::Launch & { return std::get<plan::Launch>(plan.steps[step]); };
  const std::pair<const char *, Change> changes[] = {
      {"is not an earlier expression", [](auto &plan) { plan.exprs[2] = {plan::ExprOp::Add, 2, 1}; }},
      {"the symbol does not exist", [](auto &plan) { plan.exprs[2] = {plan::ExprOp::Symbol, 0, 0}; }},
      {"the operation is unknown", [](auto &plan) { plan.exprs[2].op = plan::ExprOp(99); }},
      {"element type is unknown", [](auto &plan) { plan.inputs[0].dtype = tn_dtype(99); }},
      {"the rank is above 8", [](auto &plan) { plan.inputs[0].dims.assign(9, 0), plan.inputs[0].dimText.clear(); }},
      {"a dimension is not an expression", [](auto &plan) { plan.outputs[0].dims[0] = 99; }},
      {"leaves the weights section", [](auto &plan) { plan.constants[0].bytes = 16, plan.constants.push_back({"", plan.constants[0].data, 0}); }},
      {"not a power of two", [](auto &plan) { plan.buffers[0].alignment = 48; }},
      {"its lifetime is empty", [](auto &plan) { plan.buffers[0].last = 2; }},
      {"its offset is negative or not aligned", [](auto &plan) { plan.buffers[1].offset = 32; }},
      {"have fixed offsets", [](auto &plan) { plan.buffers[1].offset = -1; }},
      {"overlap in the arena", [](auto &plan) { plan.buffers[1].offset = 0; }},
      {"leaves the arena", [](auto &plan) { plan.buffers[1].offset = 128; }},
      {"leaves the arena", [](auto &plan) { plan.buffers[1].offset = INT64_MAX - 63; }},
      {"its kernel does not exist", [&](auto &plan) { launch(plan, 0).kernel = 2; }},
      {"do not match its kernel", [&](auto &plan) { launch(plan, 0).operands.pop_back(); }},
      {"do not match its kernel", [&](auto &plan) { launch(plan, 0).symbols.push_back(0); }},
      {"an operand does not exist", [&](auto &plan) { launch(plan, 0).operands[0].index = 1; }},
      {"an operand does not exist", [&](auto &plan) { launch(plan, 0).operands[0].kind = plan::OperandKind(7); }},
      {"it writes to an input, a constant or a result", [&](auto &plan) { launch(plan, 0).operands[2] = launch(plan, 0).operands[0]; }},
      {"outside its lifetime", [](auto &plan) { plan.buffers[0].last = 0; }},
      {"its workspace is not a buffer", [&](auto &plan) { launch(plan, 1).operands[2] = launch(plan, 1).operands[1]; }},
      {"uses memory outside a buffer", [&](auto &plan) { plan.exprs.push_back({plan::ExprOp::Const, 33, 0}), launch(plan, 1).operands[0].offset = uint32_t(plan.exprs.size() - 1); }},
      {"has no valid number of tasks", [&](auto &plan) { plan.exprs.push_back({plan::ExprOp::Const, -1, 0}), launch(plan, 1).tasks = uint32_t(plan.exprs.size() - 1); }},
      {"does not start in the plan's code", [](auto &plan) { plan.kernels[0].entry = 1 << 30; }},
      {"does not start in the plan's code", [](auto &plan) { plan.kernels[0].entry = 8; }},
      {"does not start in the plan's code", [](auto &plan) { plan.code = {}; }},
      {"not an ELF image", [](auto &plan) { plan.code = plan.code.subspan(8); }},
      {"leaves the image", [](auto &plan) { plan.code = plan.code.first(600); }},
  };
  for (const auto &[sentence, change] : changes) {
    plan::Plan plan = test::staticPlan();
    change(plan);
    Bytes bytes = plan::writePlanToMemory(plan);
    if (std::string(sentence) == "leaves the weights section") { // the writer itself never writes that: shorten the section
      auto *table = reinterpret_cast<SectionEntry *>(bytes.data() + sizeof(FileHeader));
      table[1].bytes = 8;
      repairChecksums(bytes);
    }
    EXPECT_EQ(open(bytes), TN_BAD_PLAN) << sentence;
    EXPECT_NE(std::string(tn_last_error()).find(sentence), std::string::npos) << "expected: " << sentence << "\nfound: " << tn_last_error();
  }
}

TEST(Corruption, ImpossibleSymbols) {
  plan::Plan plan = test::dynamicPlan();
  plan.symbols[0].axis = 2;
  EXPECT_EQ(open(plan::writePlanToMemory(plan)), TN_BAD_PLAN);
  plan.symbols[0].axis = 1;
  EXPECT_EQ(open(plan::writePlanToMemory(plan)), TN_BAD_PLAN);
  plan = test::dynamicPlan();
  plan.symbols[0].minimum = 7;
  plan.symbols[0].maximum = 6;
  EXPECT_EQ(open(plan::writePlanToMemory(plan)), TN_BAD_PLAN);
  plan = test::dynamicPlan();
  plan.buffers[0].offset = plan.buffers[1].offset = plan.buffers[2].offset = 0;
  EXPECT_EQ(open(plan::writePlanToMemory(plan)), TN_BAD_PLAN);
}

} // namespace
} // namespace tenon
