#include "lib/Plan/Metadata.h"

#include "runtime/plan/plan_generated.h"

#include <cstring>

namespace tenon::plan {
namespace {

namespace fb = format;
using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

template <typename T> using VectorOffset = Offset<flatbuffers::Vector<T>>;

fb::Operand operand(const Operand &operand) { return {fb::OperandKind(operand.kind), operand.index, operand.offset}; }

VectorOffset<Offset<flatbuffers::String>> strings(FlatBufferBuilder &builder, const std::vector<std::string> &texts) {
  std::vector<Offset<flatbuffers::String>> offsets;
  for (const std::string &text : texts)
    offsets.push_back(builder.CreateSharedString(text));
  return builder.CreateVector(offsets);
}

/// Serializes a list of tables, one call of `make` each.
template <typename Table, typename List, typename Make> VectorOffset<Offset<Table>> tables(FlatBufferBuilder &builder, const List &list, Make make) {
  std::vector<Offset<Table>> offsets;
  for (const auto &entry : list)
    offsets.push_back(make(entry));
  return builder.CreateVector(offsets);
}

Offset<fb::Tensor> tensorOf(FlatBufferBuilder &builder, const Tensor &tensor) {
  auto name = builder.CreateSharedString(tensor.name);
  auto dims = builder.CreateVector(tensor.dims);
  auto text = strings(builder, tensor.dimText);
  auto value = tensor.part == TN_PART_WHOLE ? Offset<flatbuffers::String>() : builder.CreateSharedString(tensor.value);
  return fb::CreateTensor(builder, name, fb::DType(tensor.dtype), dims, text, value, fb::Part(tensor.part));
}

VectorOffset<Offset<fb::Tensor>> signature(FlatBufferBuilder &builder, const std::vector<Tensor> &tensors) {
  return tables<fb::Tensor>(builder, tensors, [&](const Tensor &tensor) { return tensorOf(builder, tensor); });
}

Offset<fb::Step> launchStep(FlatBufferBuilder &builder, const Launch &launch) {
  std::vector<fb::Operand> operands;
  for (const Operand &each : launch.operands)
    operands.push_back(operand(each));
  auto operandList = builder.CreateVectorOfStructs(operands);
  auto symbols = builder.CreateVector(launch.symbols);
  auto sources = strings(builder, launch.sources);
  auto table = fb::CreateLaunch(builder, launch.kernel, operandList, launch.tasks, symbols, sources, launch.flops, launch.bytes);
  return fb::CreateStep(builder, fb::StepKind::Launch, table.Union());
}

Offset<fb::Step> copyStep(FlatBufferBuilder &builder, const Copy &copy) {
  auto sources = strings(builder, copy.sources);
  fb::Operand from = operand(copy.from), to = operand(copy.to);
  auto table = fb::CreateCopy(builder, &from, &to, copy.bytes, sources);
  return fb::CreateStep(builder, fb::StepKind::Copy, table.Union());
}

Offset<fb::Step> readSizesStep(FlatBufferBuilder &builder, const ReadSizes &read) {
  auto symbols = builder.CreateVector(read.symbols);
  auto sources = strings(builder, read.sources);
  fb::Operand from = operand(read.from);
  auto table = fb::CreateReadSizes(builder, &from, fb::DType(read.dtype), symbols, sources);
  return fb::CreateStep(builder, fb::StepKind::ReadSizes, table.Union());
}

Offset<fb::Step> requireStep(FlatBufferBuilder &builder, const Require &require) {
  auto what = builder.CreateSharedString(require.what);
  auto sources = strings(builder, require.sources);
  auto table = fb::CreateRequire(builder, require.left, require.right, fb::Relation(require.relation), what, sources);
  return fb::CreateStep(builder, fb::StepKind::Require, table.Union());
}

Offset<fb::Call> callOf(FlatBufferBuilder &builder, const Call &call) {
  auto arguments = tables<fb::Argument>(builder, call.arguments, [&](const Argument &argument) {
    auto tensor = tensorOf(builder, argument.tensor);
    fb::Operand memory = operand(argument.memory);
    return fb::CreateArgument(builder, &memory, tensor);
  });
  return fb::CreateCall(builder, call.plan, arguments, builder.CreateVector(call.symbols));
}

Offset<fb::Step> ifStep(FlatBufferBuilder &builder, const If &branch) {
  auto thenCall = callOf(builder, branch.thenCall), elseCall = callOf(builder, branch.elseCall);
  auto sources = strings(builder, branch.sources);
  fb::Operand condition = operand(branch.condition);
  auto table = fb::CreateIf(builder, &condition, thenCall, elseCall, sources);
  return fb::CreateStep(builder, fb::StepKind::If, table.Union());
}

Offset<fb::Step> loopStep(FlatBufferBuilder &builder, const Loop &loop) {
  auto body = callOf(builder, loop.body);
  auto sources = strings(builder, loop.sources);
  fb::Operand trips = operand(loop.trips.value_or(Operand())), condition = operand(loop.condition.value_or(Operand()));
  auto table = fb::CreateLoop(builder, loop.trips ? &trips : nullptr, loop.condition ? &condition : nullptr, body, loop.carried, loop.scanned,
                              loop.stacked, loop.counts, sources);
  return fb::CreateStep(builder, fb::StepKind::Loop, table.Union());
}

Offset<fb::Step> stepOf(FlatBufferBuilder &builder, const Step &step) {
  if (auto *launch = std::get_if<Launch>(&step))
    return launchStep(builder, *launch);
  if (auto *copy = std::get_if<Copy>(&step))
    return copyStep(builder, *copy);
  if (auto *read = std::get_if<ReadSizes>(&step))
    return readSizesStep(builder, *read);
  if (auto *require = std::get_if<Require>(&step))
    return requireStep(builder, *require);
  if (auto *branch = std::get_if<If>(&step))
    return ifStep(builder, *branch);
  return loopStep(builder, *std::get_if<Loop>(&step));
}

Offset<fb::Target> target(FlatBufferBuilder &builder, const Target &target) {
  auto device = builder.CreateSharedString(target.device);
  auto arch = builder.CreateSharedString(target.arch);
  auto cpu = builder.CreateSharedString(target.cpu);
  auto features = strings(builder, target.features);
  return fb::CreateTarget(builder, device, arch, cpu, features, target.pointerBits);
}

Offset<fb::TensorMap> tensorMap(FlatBufferBuilder &builder, const TensorMap &map) {
  auto sizes = builder.CreateVector(map.sizes), strides = builder.CreateVector(map.strides);
  auto steps = builder.CreateVector(map.steps), box = builder.CreateVector(map.box);
  auto lower = builder.CreateVector(map.lower), upper = builder.CreateVector(map.upper);
  return fb::CreateTensorMap(builder, map.buffer, map.offset, map.elementBytes, sizes, strides, steps, box, lower, upper, map.swizzleBytes);
}

Offset<fb::LibraryTensor> libraryTensor(FlatBufferBuilder &builder, const LibraryTensor &tensor) {
  auto sizes = builder.CreateVector(tensor.sizes), strides = builder.CreateVector(tensor.strides);
  return fb::CreateLibraryTensor(builder, tensor.buffer, tensor.offset, tensor.alignment, fb::DType(tensor.dtype), sizes, strides);
}

Offset<fb::LibraryCall> libraryCall(FlatBufferBuilder &builder, const LibraryCall &call) {
  auto optional = [&](const std::optional<LibraryTensor> &tensor) { return tensor ? libraryTensor(builder, *tensor) : Offset<fb::LibraryTensor>(); };
  auto left = libraryTensor(builder, call.left), right = libraryTensor(builder, call.right), result = libraryTensor(builder, call.result);
  auto bias = optional(call.bias), added = optional(call.added);
  VectorOffset<const fb::WindowAxis *> window; // absent where there is none
  if (!call.window.empty()) {
    std::vector<fb::WindowAxis> axes;
    for (const WindowAxis &axis : call.window)
      axes.emplace_back(axis.before, axis.behind, axis.step, axis.dilation);
    window = builder.CreateVectorOfStructs(axes);
  }
  return fb::CreateLibraryCall(builder, fb::Library(call.library), left, right, bias, added, result, fb::Activation(call.activation), call.tf32,
                               call.algorithm, call.workspaceBytes, window, call.most);
}

VectorOffset<Offset<fb::Kernel>> kernels(FlatBufferBuilder &builder, const std::vector<Kernel> &list) {
  return tables<fb::Kernel>(builder, list, [&](const Kernel &kernel) {
    auto name = builder.CreateSharedString(kernel.name);
    auto family = builder.CreateSharedString(kernel.family);
    auto schedule = builder.CreateSharedString(kernel.schedule);
    VectorOffset<Offset<fb::TensorMap>> maps; // absent where there are none
    if (!kernel.maps.empty())
      maps = tables<fb::TensorMap>(builder, kernel.maps, [&](const TensorMap &map) { return tensorMap(builder, map); });
    auto library = kernel.library ? libraryCall(builder, *kernel.library) : Offset<fb::LibraryCall>();
    return fb::CreateKernel(builder, name, family, schedule, kernel.entry, kernel.arguments, kernel.results, kernel.workspace, kernel.symbols,
                            kernel.threads, kernel.tasksPerBlock, kernel.sharedBytes, maps, library);
  });
}

uint64_t takeFirst(std::span<const uint64_t> &list) {
  uint64_t first = list.front();
  list = list.subspan(1);
  return first;
}

/// `offsets` are consumed from their fronts.
Offset<fb::Metadata> metadataOf(FlatBufferBuilder &builder, const Plan &plan, SectionOffsets &offsets) {
  auto producer = builder.CreateSharedString(plan.producer);
  auto model = builder.CreateSharedString(plan.model);
  auto tuning = builder.CreateSharedString(plan.tuning);
  auto targetTable = target(builder, plan.target);

  std::vector<fb::Expr> exprs;
  for (const Expr &expr : plan.exprs)
    exprs.emplace_back(fb::ExprOp(expr.op), expr.a, expr.b);
  auto exprList = builder.CreateVectorOfStructs(exprs);

  auto symbols = tables<fb::Symbol>(builder, plan.symbols, [&](const Symbol &symbol) {
    auto name = builder.CreateSharedString(symbol.name);
    return fb::CreateSymbol(builder, name, symbol.input, symbol.axis, symbol.minimum, symbol.maximum, fb::SymbolSource(symbol.source), symbol.step);
  });
  auto inputs = signature(builder, plan.inputs);
  auto outputs = signature(builder, plan.outputs);
  auto constants = tables<fb::Constant>(builder, plan.constants, [&](const Constant &constant) {
    auto name = builder.CreateSharedString(constant.name);
    return fb::CreateConstant(builder, name, takeFirst(offsets.constants), constant.bytes);
  });

  std::vector<fb::Buffer> buffers;
  for (const Buffer &buffer : plan.buffers)
    buffers.emplace_back(buffer.bytes, buffer.alignment, buffer.first, buffer.last, buffer.offset);
  auto bufferList = builder.CreateVectorOfStructs(buffers);

  auto kernelList = kernels(builder, plan.kernels);
  auto steps = tables<fb::Step>(builder, plan.steps, [&](const Step &step) { return stepOf(builder, step); });
  auto memory = fb::CreateMemory(builder, plan.memory.arenaBytes, plan.memory.lowerBound, plan.memory.naiveBytes);
  // Left out where there are none: plans without calls have the bytes they always had.
  VectorOffset<Offset<fb::Result>> results;
  if (!plan.results.empty())
    results = tables<fb::Result>(builder, plan.results, [&](const Result &result) {
      auto tensor = tensorOf(builder, result.tensor);
      return fb::CreateResult(builder, result.step, result.output, tensor);
    });
  VectorOffset<Offset<fb::Metadata>> plans;
  if (!plan.plans.empty())
    plans = tables<fb::Metadata>(builder, plan.plans, [&](const Plan &called) { return metadataOf(builder, called, offsets); });
  VectorOffset<Offset<fb::DeviceCode>> deviceCode;
  if (!plan.deviceCode.empty())
    deviceCode = tables<fb::DeviceCode>(builder, plan.deviceCode, [&](const DeviceCode &code) {
      auto arch = builder.CreateSharedString(code.arch);
      return fb::CreateDeviceCode(builder, arch, code.isPtx, takeFirst(offsets.deviceCode), code.bytes.size());
    });
  VectorOffset<Offset<fb::Metadata>> variants;
  if (!plan.variants.empty())
    variants = tables<fb::Metadata>(builder, plan.variants, [&](const Plan &variant) { return metadataOf(builder, variant, offsets); });
  return fb::CreateMetadata(builder, producer, model, tuning, targetTable, exprList, symbols, inputs, outputs, constants, bufferList, kernelList,
                            steps, memory, results, plans, deviceCode, variants);
}

} // namespace

std::vector<std::byte> writeMetadata(const Plan &plan, SectionOffsets offsets) {
  FlatBufferBuilder builder(64 * 1024);
  fb::FinishMetadataBuffer(builder, metadataOf(builder, plan, offsets));
  std::vector<std::byte> bytes(builder.GetSize());
  std::memcpy(bytes.data(), builder.GetBufferPointer(), bytes.size());
  return bytes;
}

} // namespace tenon::plan
