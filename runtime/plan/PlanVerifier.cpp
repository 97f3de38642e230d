#include "runtime/plan/PlanVerifier.h"

#include "runtime/plan/PlanFormat.h"

#include <cinttypes>
#include <cstring>

namespace tenon::plan {
namespace {

using namespace format;

class MetadataVerifier {
public:
  MetadataVerifier(const Metadata &metadata, const SectionBytes &sizes, Message &message)
      : metadata(metadata), sizes(sizes), weightsBytes(sizes.weights.size()), message(message), exprCount(count(metadata.exprs())),
        stepCount(count(metadata.steps())) {}

  tn_status verify() {
    for (auto check : {&MetadataVerifier::exprs, &MetadataVerifier::signature, &MetadataVerifier::symbols, &MetadataVerifier::constants,
                       &MetadataVerifier::buffers, &MetadataVerifier::blocks, &MetadataVerifier::deviceCode, &MetadataVerifier::steps})
      if (tn_status status = (this->*check)())
        return status;
    return TN_OK;
  }

private:
  /// "corrupted: step 3: …"
  tn_status bad(const char *what, uint32_t index, const char *why) {
    return message.fail(TN_BAD_PLAN, "corrupted metadata: %s %u: %s", what, index, why);
  }

  /// FlatBuffers' verifier does not look at the alignment of structs in a vector; an empty one need not be aligned.
  template <typename Struct> static bool isAligned(const flatbuffers::Vector<const Struct *> *list) {
    return !list || list->size() == 0 || reinterpret_cast<uintptr_t>(list->Data()) % alignof(Struct) == 0;
  }

  tn_status exprs() {
    if (!isAligned(metadata.exprs()) || !isAligned(metadata.buffers()))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: expressions or buffers are not aligned");
    for (uint32_t id = 0; id < exprCount; ++id) {
      const Expr &expr = *metadata.exprs()->Get(id);
      auto below = [](int64_t value, uint32_t limit) { return value >= 0 && value < int64_t(limit); };
      if (expr.op() > ExprOp::MAX)
        return bad("expression", id, "the operation is unknown");
      if (expr.op() == ExprOp::Symbol && !below(expr.a(), count(metadata.symbols())))
        return bad("expression", id, "the symbol does not exist");
      if (expr.op() > ExprOp::Symbol && (!below(expr.a(), id) || !below(expr.b(), id)))
        return bad("expression", id, "an operand is not an earlier expression");
    }
    return TN_OK;
  }

  tn_status tensors(const char *what, const flatbuffers::Vector<flatbuffers::Offset<Tensor>> *list) {
    for (uint32_t i = 0; i < count(list); ++i) {
      const Tensor &tensor = *list->Get(i);
      if (tn_dtype_bits(tn_dtype(tensor.dtype())) == 0)
        return bad(what, i, "the element type is unknown");
      if (count(tensor.dims()) > TN_MAX_RANK)
        return bad(what, i, "the rank is above 8");
      for (uint32_t axis = 0; axis < count(tensor.dims()); ++axis)
        if (tensor.dims()->Get(axis) >= exprCount)
          return bad(what, i, "a dimension is not an expression");
      if (count(tensor.dim_text()) != 0 && count(tensor.dim_text()) != count(tensor.dims()))
        return bad(what, i, "the texts of its dimensions do not match their number");
    }
    return TN_OK;
  }

  tn_status signature() {
    if (tn_status status = tensors("input", metadata.inputs()))
      return status;
    return tensors("output", metadata.outputs());
  }

  tn_status symbols() {
    for (uint32_t i = 0; i < count(metadata.symbols()); ++i) {
      const Symbol &symbol = *metadata.symbols()->Get(i);
      if (symbol.input() >= count(metadata.inputs()) || symbol.axis() >= count(metadata.inputs()->Get(symbol.input())->dims()))
        return bad("symbol", i, "the input or axis that gives its value does not exist");
      const Expr &dim = *metadata.exprs()->Get(metadata.inputs()->Get(symbol.input())->dims()->Get(symbol.axis()));
      if (dim.op() != ExprOp::Symbol || dim.a() != int64_t(i))
        return bad("symbol", i, "the axis that gives its value is another expression");
      if (symbol.minimum() < 0 || symbol.minimum() > symbol.maximum())
        return bad("symbol", i, "its range is empty or negative");
    }
    return TN_OK;
  }

  tn_status constants() {
    for (uint32_t i = 0; i < count(metadata.constants()); ++i) {
      const Constant &constant = *metadata.constants()->Get(i);
      if (constant.bytes() > weightsBytes || constant.offset() > weightsBytes - constant.bytes() || constant.offset() % kConstantAlignment != 0)
        return bad("constant", i, "it is not aligned or leaves the weights section");
    }
    return TN_OK;
  }

  tn_status buffers() {
    uint32_t fixed = 0;
    uint32_t bufferCount = count(metadata.buffers());
    for (uint32_t i = 0; i < bufferCount; ++i) {
      const Buffer &buffer = *metadata.buffers()->Get(i);
      uint32_t alignment = buffer.alignment();
      if (buffer.bytes() >= exprCount)
        return bad("buffer", i, "its size is not an expression");
      if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > kLargestBufferAlignment)
        return bad("buffer", i, "its alignment is not a power of two up to 4096");
      if (buffer.first() > buffer.last() || buffer.last() >= stepCount)
        return bad("buffer", i, "its lifetime is empty or leaves the plan");
      if (buffer.offset() < -1 || (buffer.offset() > 0 && buffer.offset() % alignment != 0))
        return bad("buffer", i, "its offset is negative or not aligned");
      fixed += buffer.offset() >= 0;
    }
    if (fixed != 0 && (fixed != bufferCount || count(metadata.symbols()) != 0))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: %u of %u buffers have fixed offsets; all or none must, and none in a plan with symbols", fixed, bufferCount);
    return TN_OK;
  }

  /// Blocks of threads; kernels of a CPU have none.
  tn_status blocks() {
    for (uint32_t i = 0; i < count(metadata.kernels()); ++i) {
      const Kernel &kernel = *metadata.kernels()->Get(i);
      bool anyBlock = kernel.threads() || kernel.tasks_per_block() || kernel.shared_bytes();
      bool fits = kernel.threads() >= 1 && kernel.threads() <= kMostThreads && kernel.shared_bytes() <= kMostSharedBytes &&
                  (kernel.tasks_per_block() == 1 || kernel.tasks_per_block() == kernel.threads());
      if (isForGpu(metadata) ? !fits : anyBlock)
        return bad("kernel", i, isForGpu(metadata) ? "its block of threads is impossible" : "it has a block of threads");
    }
    return TN_OK;
  }

  tn_status deviceCode() {
    const auto *list = metadata.device_code();
    if (!isForGpu(metadata) && count(list))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: there is code for a GPU in a plan for a CPU");
    if (isForGpu(metadata) && count(metadata.kernels()) && !count(list))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: there is no code for the GPU");
    for (uint32_t i = 0; i < count(list); ++i) {
      const DeviceCode &code = *list->Get(i);
      uint64_t room = (code.is_ptx() ? sizes.ptx : sizes.cubin).size();
      if (code.bytes() == 0 || code.bytes() > room || code.offset() > room - code.bytes())
        return bad("device code", i, "it is empty or leaves its section");
      if (computeCapability(code.arch()->c_str()) == 0)
        return bad("device code", i, "its architecture is unknown");
      // The driver reads PTX up to a zero byte.
      if (code.is_ptx() && sizes.ptx[size_t(code.offset() + code.bytes() - 1)] != 0)
        return bad("device code", i, "the PTX does not end with a zero byte");
    }
    return TN_OK;
  }

  tn_status operand(uint32_t step, const Operand &operand, bool isWritten) {
    const uint32_t counts[] = {count(metadata.inputs()), count(metadata.outputs()), count(metadata.constants()), count(metadata.buffers())};
    if (operand.kind() > OperandKind::MAX || operand.index() >= counts[size_t(operand.kind())] || operand.offset() >= exprCount)
      return bad("step", step, "an operand does not exist");
    if (isWritten && (operand.kind() == OperandKind::Input || operand.kind() == OperandKind::Constant))
      return bad("step", step, "it writes to an input or a constant");
    if (operand.kind() != OperandKind::Buffer)
      return TN_OK;
    const Buffer &buffer = *metadata.buffers()->Get(operand.index());
    if (step < buffer.first() || step > buffer.last())
      return bad("step", step, "it uses a buffer outside its lifetime");
    return TN_OK;
  }

  tn_status launch(uint32_t step, const Launch &launch) {
    if (launch.kernel() >= count(metadata.kernels()))
      return bad("step", step, "its kernel does not exist");
    const Kernel &kernel = *metadata.kernels()->Get(launch.kernel());
    uint64_t operandCount = uint64_t(kernel.arguments()) + kernel.results() + kernel.workspace();
    if (count(launch.operands()) != operandCount || count(launch.symbols()) != kernel.symbols())
      return bad("step", step, "its operands or symbols do not match its kernel");
    for (uint32_t i = 0; i < operandCount; ++i)
      if (tn_status status = operand(step, *launch.operands()->Get(i), i >= kernel.arguments()))
        return status;
    if (kernel.workspace() && launch.operands()->Get(uint32_t(operandCount - 1))->kind() != OperandKind::Buffer)
      return bad("step", step, "its workspace is not a buffer");
    for (uint32_t i = 0; i < count(launch.symbols()); ++i)
      if (launch.symbols()->Get(i) >= exprCount)
        return bad("step", step, "the value of a symbol is not an expression");
    if (launch.tasks() >= exprCount || launch.flops() >= exprCount || launch.bytes() >= exprCount)
      return bad("step", step, "its tasks or costs are not expressions");
    return TN_OK;
  }

  tn_status copy(uint32_t step, const Copy &copy) {
    if (!copy.from() || !copy.to() || copy.bytes() >= exprCount)
      return bad("step", step, "the copy lacks an operand or its size");
    if (tn_status status = operand(step, *copy.from(), false))
      return status;
    return operand(step, *copy.to(), true);
  }

  tn_status steps() {
    for (uint32_t i = 0; i < stepCount; ++i) {
      const Step &step = *metadata.steps()->Get(i);
      tn_status status = TN_OK;
      if (const Launch *asLaunch = step.kind_as_Launch())
        status = launch(i, *asLaunch);
      else if (const Copy *asCopy = step.kind_as_Copy())
        status = copy(i, *asCopy);
      else
        status = bad("step", i, "its kind is unknown");
      if (status)
        return status;
    }
    return TN_OK;
  }

  static constexpr uint32_t kMostThreads = 1024, kMostSharedBytes = 228 << 10;

  const Metadata &metadata;
  const SectionBytes &sizes;
  uint64_t weightsBytes;
  Message &message;
  uint32_t exprCount;
  uint32_t stepCount;
};

} // namespace

bool isForGpu(const Metadata &metadata) {
  const auto *device = metadata.target()->device();
  return device && strcmp(device->c_str(), "cuda") == 0;
}

uint32_t computeCapability(const char *arch) {
  if (strncmp(arch, "sm_", 3) != 0)
    return 0;
  uint32_t value = 0;
  const char *digit = arch + 3;
  for (; *digit >= '0' && *digit <= '9' && value < 1000; ++digit)
    value = value * 10 + uint32_t(*digit - '0');
  return *digit == '\0' || (*digit == 'a' && digit[1] == '\0') ? value : 0;
}

bool isArchSpecific(const char *arch) {
  return arch[0] != '\0' && arch[strlen(arch) - 1] == 'a';
}

tn_status verifyMetadata(const SectionBytes &sections, const Metadata *&metadata, Message &message) {
  std::span<const uint8_t> bytes = sections.metadata;
  // FlatBuffers offsets are 32 bits wide, and its verifier wants room for one.
  constexpr uint32_t kDepth = 16, kMaxTables = 16'000'000;
  if (bytes.size() < 16 || bytes.size() >= FLATBUFFERS_MAX_BUFFER_SIZE)
    return message.fail(TN_BAD_PLAN, "corrupted: metadata of %zu bytes", bytes.size());
  flatbuffers::Verifier verifier(bytes.data(), bytes.size(), kDepth, kMaxTables);
  if (!MetadataBufferHasIdentifier(bytes.data()) || !VerifyMetadataBuffer(verifier))
    return message.fail(TN_BAD_PLAN, "corrupted: the metadata section is not a well-formed FlatBuffer of this format");
  metadata = GetMetadata(bytes.data());
  return MetadataVerifier(*metadata, sections, message).verify();
}

} // namespace tenon::plan
