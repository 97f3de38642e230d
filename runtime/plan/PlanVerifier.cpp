#include "runtime/plan/PlanVerifier.h"

#include "runtime/plan/LibraryCallVerifier.h"
#include "runtime/plan/PlanFormat.h"
#include "runtime/plan/TensorMapVerifier.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace tenon::plan {
namespace {

using namespace format;

constexpr uint32_t kMaxPlans = 4096; // each call makes a runner: memory in proportion to the metadata
constexpr uint32_t kMaxVariants = 64;

class MetadataVerifier {
public:
  /// `firstPlan` is the first of the root's plans that this one may call.
  MetadataVerifier(const Metadata &metadata, const Metadata &root, uint32_t firstPlan, const SectionBytes &sections, Message &message)
      : metadata(metadata), root(root), firstPlan(firstPlan), sections(sections), weightsBytes(sections.weights.size()), message(message),
        exprCount(count(metadata.exprs())), stepCount(count(metadata.steps())) {}

  tn_status verify() {
    for (auto check : {&MetadataVerifier::exprs, &MetadataVerifier::signature, &MetadataVerifier::symbols, &MetadataVerifier::constants,
                       &MetadataVerifier::buffers, &MetadataVerifier::blocks, &MetadataVerifier::deviceCode, &MetadataVerifier::steps,
                       &MetadataVerifier::results})
      if (tn_status status = (this->*check)())
        return status;
    if (isRoot() && (count(metadata.plans()) > kMaxPlans || givenSymbols(metadata) != 0))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: too many plans that steps call, or symbols that a caller would have to give");
    if (!isRoot() && count(metadata.plans()) != 0)
      return message.fail(TN_BAD_PLAN, "corrupted metadata: a plan that steps call holds plans");
    if (count(metadata.variants()) > (isRoot() && isForGpu(metadata) ? kMaxVariants : 0))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: variants of what can have none, or too many");
    if (isForGpu(metadata) != isForGpu(root))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: a plan that steps call is for another device than its caller");
    return TN_OK;
  }

private:
  bool isRoot() const { return &metadata == &root; }

  static uint32_t givenSymbols(const Metadata &plan) {
    uint32_t given = 0;
    for (uint32_t i = 0; i < count(plan.symbols()); ++i)
      given += plan.symbols()->Get(i)->source() == SymbolSource::Caller;
    return given;
  }

  /// "corrupted: step 3: …"
  tn_status bad(const char *what, uint32_t index, const char *why) {
    return message.fail(TN_BAD_PLAN, "corrupted metadata: %s %u: %s", what, index, why);
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
    for (uint32_t i = 0; i < count(list); ++i)
      if (tn_status status = tensor(what, i, *list->Get(i)))
        return status;
    return TN_OK;
  }

  tn_status tensor(const char *what, uint32_t i, const Tensor &tensor) {
    if (tn_dtype_bits(tn_dtype(tensor.dtype())) == 0)
      return bad(what, i, "the element type is unknown");
    if (count(tensor.dims()) > TN_MAX_RANK)
      return bad(what, i, "the rank is above 8");
    if (tensor.part() > Part::MAX)
      return bad(what, i, "the part of a value that it is, is unknown");
    for (uint32_t axis = 0; axis < count(tensor.dims()); ++axis)
      if (tensor.dims()->Get(axis) >= exprCount)
        return bad(what, i, "a dimension is not an expression");
    if (count(tensor.dim_text()) != 0 && count(tensor.dim_text()) != count(tensor.dims()))
      return bad(what, i, "the texts of its dimensions do not match their number");
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
      if (symbol.minimum() < 0 || symbol.minimum() > symbol.maximum())
        return bad("symbol", i, "its range is empty or negative");
      if (symbol.source() != SymbolSource::Axis) {
        if (tn_status status = definition(i, symbol))
          return status;
        continue;
      }
      if (symbol.input() >= count(metadata.inputs()) || symbol.axis() >= count(metadata.inputs()->Get(symbol.input())->dims()))
        return bad("symbol", i, "the input or axis that gives its value does not exist");
      const Expr &dim = *metadata.exprs()->Get(metadata.inputs()->Get(symbol.input())->dims()->Get(symbol.axis()));
      if (dim.op() != ExprOp::Symbol || dim.a() != int64_t(i))
        return bad("symbol", i, "the axis that gives its value is another expression");
    }
    return TN_OK;
  }

  /// A symbol that a step defines is one of those that the step says it defines.
  tn_status definition(uint32_t index, const Symbol &symbol) {
    if (symbol.source() == SymbolSource::Caller)
      return TN_OK; // counted where it is called
    if (const auto *list = metadata.results(); symbol.source() == SymbolSource::Step && symbol.input() < count(list) &&
                                               list->Get(symbol.input())->step() == symbol.step() && symbol.step() < stepCount &&
                                               !metadata.steps()->Get(symbol.step())->kind_as_ReadSizes()) {
      const Tensor &tensor = *list->Get(symbol.input())->tensor();
      return symbol.axis() < count(tensor.dims()) ? TN_OK : bad("symbol", index, "the axis that gives its value does not exist");
    }
    const Step *step = symbol.source() == SymbolSource::Step && symbol.step() < stepCount ? metadata.steps()->Get(symbol.step()) : nullptr;
    const ReadSizes *read = step ? step->kind_as_ReadSizes() : nullptr;
    // `axis` says which: a search of the list for every symbol would take quadratic time.
    if (!read || symbol.axis() >= count(read->symbols()) || read->symbols()->Get(symbol.axis()) != index)
      return bad("symbol", index, "no step gives it a value");
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
    uint32_t fixed = 0, free = 0;
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
      free += buffer.offset() < 0 && metadata.exprs()->Get(buffer.bytes())->op() == ExprOp::Const;
    }
    bool hasAxes = false;
    for (uint32_t i = 0; i < count(metadata.symbols()); ++i)
      hasAxes |= metadata.symbols()->Get(i)->source() == SymbolSource::Axis;
    bool isMixed = hasRunTimeSizes() ? free != 0 : fixed != bufferCount;
    if (fixed != 0 && (hasAxes || isMixed))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: %u of %u buffers have fixed offsets; all or none must, and none where sizes depend on the inputs' shapes", fixed, bufferCount);
    return TN_OK;
  }

  bool hasRunTimeSizes() const {
    for (uint32_t i = 0; i < count(metadata.symbols()); ++i)
      if (metadata.symbols()->Get(i)->source() != SymbolSource::Axis)
        return true;
    return false;
  }

  /// Blocks of threads; kernels of a CPU have none.
  tn_status blocks() {
    for (uint32_t i = 0; i < count(metadata.kernels()); ++i) {
      const Kernel &kernel = *metadata.kernels()->Get(i);
      if (kernel.library()) {
        const char *problem = isForGpu(metadata) ? problemOf(*kernel.library(), kernel) : "a library computes it, in a plan that is not for a GPU";
        if (problem)
          return bad("kernel", i, problem);
        continue;
      }
      bool anyBlock = kernel.threads() || kernel.tasks_per_block() || kernel.shared_bytes();
      bool fits = kernel.threads() >= 1 && kernel.threads() <= kMostThreads && kernel.shared_bytes() <= kMostSharedBytes &&
                  (kernel.tasks_per_block() == 1 || kernel.tasks_per_block() == kernel.threads());
      if (isForGpu(metadata) ? !fits : anyBlock)
        return bad("kernel", i, isForGpu(metadata) ? "its block of threads is impossible" : "it has a block of threads");
      if (count(kernel.maps()) > (isForGpu(metadata) ? kMostTensorMaps : 0))
        return bad("kernel", i, "it has tensor maps where it can have none, or too many");
      for (uint32_t k = 0; k < count(kernel.maps()); ++k)
        if (const char *problem = problemOf(*kernel.maps()->Get(k), uint32_t(std::min<uint64_t>(uint64_t(kernel.arguments()) + kernel.results(), UINT32_MAX))))
          return message.fail(TN_BAD_PLAN, "corrupted metadata: kernel %u: tensor map %u: %s", i, k, problem);
    }
    return TN_OK;
  }

  tn_status deviceCode() {
    const auto *list = metadata.device_code();
    if (!isForGpu(metadata) && count(list))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: there is code for a GPU in a plan for a CPU");
    if (isForGpu(metadata) && count(metadata.kernels()) && !count(root.device_code()))
      return message.fail(TN_BAD_PLAN, "corrupted metadata: there is no code for the GPU");
    for (uint32_t i = 0; i < count(list); ++i) {
      const DeviceCode &code = *list->Get(i);
      uint64_t room = (code.is_ptx() ? sections.ptx : sections.cubin).size();
      if (code.bytes() == 0 || code.bytes() > room || code.offset() > room - code.bytes())
        return bad("device code", i, "it is empty or leaves its section");
      if (computeCapability(code.arch()->c_str()) == 0)
        return bad("device code", i, "its architecture is unknown");
      // The driver reads PTX up to a zero byte.
      if (code.is_ptx() && sections.ptx[size_t(code.offset() + code.bytes() - 1)] != 0)
        return bad("device code", i, "the PTX does not end with a zero byte");
    }
    return TN_OK;
  }

  tn_status operand(uint32_t step, const Operand &operand, bool isWritten) {
    const uint32_t counts[] = {count(metadata.inputs()), count(metadata.outputs()), count(metadata.constants()), count(metadata.buffers()), count(metadata.results())};
    if (operand.kind() > OperandKind::MAX || operand.index() >= counts[size_t(operand.kind())] || operand.offset() >= exprCount)
      return bad("step", step, "an operand does not exist");
    if (isWritten && operand.kind() != OperandKind::Output && operand.kind() != OperandKind::Buffer)
      return bad("step", step, "it writes to an input, a constant or a result");
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
    return kernel.library() ? libraryCall(step, launch, *kernel.library()) : TN_OK;
  }

  /// Sizes that a library is given are numbers: where those of the memory are, too, it lies in there.
  tn_status libraryCall(uint32_t step, const Launch &launch, const LibraryCall &call) {
    for (const LibraryTensor *tensor : {call.left(), call.right(), call.bias(), call.added(), call.result()})
      if (tensor && !holds(*launch.operands()->Get(tensor->buffer()), extentOf(*tensor)))
        return bad("step", step, "a library would leave the memory of an operand");
    if (call.workspace_bytes() && !holds(*launch.operands()->Get(count(launch.operands()) - 1), call.workspace_bytes()))
      return bad("step", step, "its workspace has less room than a library is told");
    return TN_OK;
  }

  /// Whether `bytes` lie in the memory of a verified operand, as far as its place and size are constants.
  bool holds(const Operand &operand, uint64_t bytes) const {
    auto constant = [&](uint32_t expr, uint64_t *value) {
      const Expr &of = *metadata.exprs()->Get(expr);
      *value = uint64_t(of.a());
      return of.op() == ExprOp::Const;
    };
    uint64_t offset = 0, room = 0;
    if (!constant(operand.offset(), &offset))
      return true;
    bool isKnown = true;
    if (operand.kind() == OperandKind::Constant)
      room = metadata.constants()->Get(operand.index())->bytes();
    else if (operand.kind() == OperandKind::Buffer)
      isKnown = constant(metadata.buffers()->Get(operand.index())->bytes(), &room);
    else
      isKnown = bytesOf(*tensorOf(operand), &room);
    return !isKnown || (offset <= room && bytes <= room - offset);
  }

  const Tensor *tensorOf(const Operand &operand) const {
    if (operand.kind() == OperandKind::Result)
      return metadata.results()->Get(operand.index())->tensor();
    return (operand.kind() == OperandKind::Input ? metadata.inputs() : metadata.outputs())->Get(operand.index());
  }

  /// Whether a tensor's shape is constant; its bytes, at most UINT64_MAX.
  bool bytesOf(const Tensor &tensor, uint64_t *bytes) const {
    *bytes = tn_dtype_bits(tn_dtype(tensor.dtype())) / 8;
    for (uint32_t axis = 0; axis < count(tensor.dims()); ++axis) {
      const Expr *dim = tensor.dims()->Get(axis) < exprCount ? metadata.exprs()->Get(tensor.dims()->Get(axis)) : nullptr;
      if (!dim || dim->op() != ExprOp::Const)
        return false;
      if (dim->a() < 0 || __builtin_mul_overflow(*bytes, uint64_t(dim->a()), bytes))
        *bytes = UINT64_MAX;
    }
    return true;
  }

  tn_status copy(uint32_t step, const Copy &copy) {
    if (!copy.from() || !copy.to() || copy.bytes() >= exprCount)
      return bad("step", step, "the copy lacks an operand or its size");
    if (tn_status status = operand(step, *copy.from(), false))
      return status;
    return operand(step, *copy.to(), true);
  }

  tn_status readSizes(uint32_t step, const ReadSizes &read) {
    if (!read.from() || (read.dtype() != DType::I32 && read.dtype() != DType::I64 && read.dtype() != DType::F32))
      return bad("step", step, "it reads sizes from nowhere, or from something that is not i32, i64 or f32");
    for (uint32_t i = 0; i < count(read.symbols()); ++i) {
      uint32_t index = read.symbols()->Get(i);
      const Symbol *symbol = index < count(metadata.symbols()) ? metadata.symbols()->Get(index) : nullptr;
      if (!symbol || symbol->source() != SymbolSource::Step || symbol->step() != step || symbol->axis() != i)
        return bad("step", step, "a symbol that it defines does not say so");
    }
    return operand(step, *read.from(), false);
  }

  tn_status require(uint32_t step, const Require &require) {
    if (require.left() >= exprCount || require.right() >= exprCount || require.relation() > Relation::MAX)
      return bad("step", step, "what it requires is no relation of two expressions");
    return TN_OK;
  }

  /// How many results a verified step can have.
  uint64_t outputsOf(const Step &step) const {
    if (const If *branch = step.kind_as_If())
      return std::min(count(root.plans()->Get(branch->then_call()->plan())->outputs()), count(root.plans()->Get(branch->else_call()->plan())->outputs()));
    const Loop *loop = step.kind_as_Loop();
    return loop ? uint64_t(loop->carried()) + loop->stacked() : 0;
  }

  tn_status results() {
    for (uint32_t i = 0; i < count(metadata.results()); ++i) {
      const Result &result = *metadata.results()->Get(i);
      if (result.step() >= stepCount || result.output() >= outputsOf(*metadata.steps()->Get(result.step())))
        return bad("result", i, "its step has no such output");
      if (tn_status status = tensor("result", i, *result.tensor()))
        return status;
    }
    return TN_OK;
  }

  /// A call of a plan with `before` inputs of the step's own, and then its arguments.
  tn_status call(uint32_t step, const Call *given, uint32_t before) {
    if (!given || given->plan() < firstPlan || given->plan() >= count(root.plans()))
      return bad("step", step, "the plan that it calls does not exist, or would call itself");
    const Metadata &plan = *root.plans()->Get(given->plan());
    if (count(plan.inputs()) != uint64_t(before) + count(given->arguments()) || count(given->symbols()) != givenSymbols(plan))
      return bad("step", step, "its arguments or symbols are not those of the plan that it calls");
    for (uint32_t i = 0; i < count(given->arguments()); ++i) {
      const Argument &argument = *given->arguments()->Get(i);
      if (!argument.memory())
        return bad("step", step, "an argument has no memory");
      if (tn_status status = operand(step, *argument.memory(), false))
        return status;
      if (tn_status status = tensor("argument", i, *argument.tensor()))
        return status;
    }
    for (uint32_t i = 0; i < count(given->symbols()); ++i)
      if (given->symbols()->Get(i) >= exprCount)
        return bad("step", step, "the value of a symbol is not an expression");
    return TN_OK;
  }

  tn_status branch(uint32_t step, const If &branch) {
    if (!branch.condition())
      return bad("step", step, "it has no condition");
    if (tn_status status = operand(step, *branch.condition(), false))
      return status;
    for (const Call *each : {branch.then_call(), branch.else_call()})
      if (tn_status status = call(step, each, 0))
        return status;
    return TN_OK;
  }

  tn_status loop(uint32_t step, const Loop &loop) {
    for (const Operand *given : {loop.trips(), loop.condition()})
      if (given)
        if (tn_status status = operand(step, *given, false))
          return status;
    if (tn_status status = call(step, loop.body(), 1))
      return status;
    const Metadata &body = *root.plans()->Get(loop.body()->plan());
    uint64_t passed = uint64_t(loop.carried()) + loop.scanned(), results = uint64_t(loop.carried()) + loop.stacked();
    if (passed > count(loop.body()->arguments()) || count(body.outputs()) != results + !loop.counts() || (loop.counts() && !loop.trips()))
      return bad("step", step, "its carried, scanned and stacked values are not those of its body");
    if (!loop.counts() && body.outputs()->Get(0)->dtype() != DType::Bool)
      return bad("step", step, "its body gives no condition");
    if (!loop.counts() && !isOneElement(body, *body.outputs()->Get(0)))
      return bad("step", step, "the condition of its body is not one element");
    for (uint32_t i = loop.carried(); i < passed; ++i)
      if (count(loop.body()->arguments()->Get(i)->tensor()->dims()) == 0)
        return bad("step", step, "it scans a scalar");
    for (uint64_t i = loop.carried(); i < results; ++i)
      if (count(body.outputs()->Get(uint32_t(i + !loop.counts()))->dims()) >= TN_MAX_RANK)
        return bad("step", step, "what it stacks would have a rank above 8");
    return TN_OK;
  }

  static bool isOneElement(const Metadata &plan, const Tensor &tensor) {
    for (uint32_t axis = 0; axis < count(tensor.dims()); ++axis) {
      uint32_t dim = tensor.dims()->Get(axis);
      if (dim >= count(plan.exprs()) || plan.exprs()->Get(dim)->op() != ExprOp::Const || plan.exprs()->Get(dim)->a() != 1)
        return false;
    }
    return true;
  }

  tn_status steps() {
    for (uint32_t i = 0; i < stepCount; ++i) {
      const Step &step = *metadata.steps()->Get(i);
      tn_status status = TN_OK;
      if (const Launch *asLaunch = step.kind_as_Launch())
        status = launch(i, *asLaunch);
      else if (const Copy *asCopy = step.kind_as_Copy())
        status = copy(i, *asCopy);
      else if (const ReadSizes *asRead = step.kind_as_ReadSizes())
        status = readSizes(i, *asRead);
      else if (const Require *asRequire = step.kind_as_Require())
        status = require(i, *asRequire);
      else if (const If *asIf = step.kind_as_If())
        status = branch(i, *asIf);
      else if (const Loop *asLoop = step.kind_as_Loop())
        status = loop(i, *asLoop);
      else
        status = bad("step", i, "its kind is unknown");
      if (status)
        return status;
    }
    return TN_OK;
  }

  static constexpr uint32_t kMostThreads = 1024, kMostSharedBytes = 228 << 10;

  const Metadata &metadata;
  const Metadata &root;
  uint32_t firstPlan;
  const SectionBytes &sections;
  uint64_t weightsBytes;
  Message &message;
  uint32_t exprCount;
  uint32_t stepCount;
};

bool sameText(const flatbuffers::String *a, const flatbuffers::String *b) {
  return strcmp(text(a), text(b)) == 0;
}

/// Two tensors of verified plans: element type, name, and dimensions that are the same numbers or the same words.
bool sameTensor(const Metadata &aPlan, const Tensor &a, const Metadata &bPlan, const Tensor &b) {
  if (a.dtype() != b.dtype() || a.part() != b.part() || !sameText(a.name(), b.name()) || !sameText(a.value(), b.value()) ||
      count(a.dims()) != count(b.dims()) || count(a.dim_text()) != count(b.dim_text()))
    return false;
  for (uint32_t axis = 0; axis < count(a.dims()); ++axis) {
    const Expr &aDim = *aPlan.exprs()->Get(a.dims()->Get(axis)), &bDim = *bPlan.exprs()->Get(b.dims()->Get(axis));
    if (aDim.op() != bDim.op() || (aDim.op() <= ExprOp::Symbol && aDim.a() != bDim.a()))
      return false;
    if (axis < count(a.dim_text()) && !sameText(a.dim_text()->Get(axis), b.dim_text()->Get(axis)))
      return false;
  }
  return true;
}

bool sameSymbol(const Symbol &a, const Symbol &b) {
  return a.input() == b.input() && a.axis() == b.axis() && a.minimum() == b.minimum() && a.maximum() == b.maximum() && a.source() == b.source() &&
         sameText(a.name(), b.name());
}

template <typename List, typename Same> bool sameLists(const List *a, const List *b, Same same) {
  if (count(a) != count(b))
    return false;
  for (uint32_t i = 0; i < count(a); ++i)
    if (!same(*a->Get(i), *b->Get(i)))
      return false;
  return true;
}

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
  return MetadataVerifier(*metadata, *metadata, 0, sections, message).verify();
}

tn_status verifyCalled(const Metadata &metadata, const Metadata &root, uint32_t index, const SectionBytes &sections, Message &message) {
  return MetadataVerifier(metadata, root, index + 1, sections, message).verify();
}

tn_status verifyVariant(const Metadata &metadata, const Metadata &root, const SectionBytes &sections, Message &message) {
  if (!isForGpu(metadata) || count(metadata.variants()))
    return message.fail(TN_BAD_PLAN, "corrupted metadata: a variant is not for a GPU, or has variants");
  if (tn_status status = MetadataVerifier(metadata, metadata, 0, sections, message).verify())
    return status;
  auto sameTensors = [&](const Tensor &a, const Tensor &b) { return sameTensor(metadata, a, root, b); };
  bool isSame = sameLists(metadata.inputs(), root.inputs(), sameTensors) && sameLists(metadata.outputs(), root.outputs(), sameTensors) &&
                sameLists(metadata.symbols(), root.symbols(), sameSymbol);
  return isSame ? TN_OK : message.fail(TN_BAD_PLAN, "corrupted metadata: a variant has another signature than its plan");
}

} // namespace tenon::plan
