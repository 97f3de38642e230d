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

VectorOffset<Offset<fb::Tensor>> signature(FlatBufferBuilder &builder, const std::vector<Tensor> &tensors) {
  return tables<fb::Tensor>(builder, tensors, [&](const Tensor &tensor) {
    auto name = builder.CreateSharedString(tensor.name);
    auto dims = builder.CreateVector(tensor.dims);
    auto text = strings(builder, tensor.dimText);
    return fb::CreateTensor(builder, name, fb::DType(tensor.dtype), dims, text);
  });
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

Offset<fb::Target> target(FlatBufferBuilder &builder, const Target &target) {
  auto device = builder.CreateSharedString(target.device);
  auto arch = builder.CreateSharedString(target.arch);
  auto cpu = builder.CreateSharedString(target.cpu);
  auto features = strings(builder, target.features);
  return fb::CreateTarget(builder, device, arch, cpu, features, target.pointerBits);
}

VectorOffset<Offset<fb::Kernel>> kernels(FlatBufferBuilder &builder, const std::vector<Kernel> &list) {
  return tables<fb::Kernel>(builder, list, [&](const Kernel &kernel) {
    auto name = builder.CreateSharedString(kernel.name);
    auto family = builder.CreateSharedString(kernel.family);
    auto schedule = builder.CreateSharedString(kernel.schedule);
    return fb::CreateKernel(builder, name, family, schedule, kernel.entry, kernel.arguments, kernel.results, kernel.workspace, kernel.symbols,
                            kernel.threads, kernel.tasksPerBlock, kernel.sharedBytes);
  });
}

} // namespace

std::vector<std::byte> writeMetadata(const Plan &plan, std::span<const uint64_t> constantOffsets, std::span<const uint64_t> deviceOffsets) {
  FlatBufferBuilder builder(64 * 1024);
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
    return fb::CreateSymbol(builder, name, symbol.input, symbol.axis, symbol.minimum, symbol.maximum);
  });
  auto inputs = signature(builder, plan.inputs);
  auto outputs = signature(builder, plan.outputs);
  size_t next = 0;
  auto constants = tables<fb::Constant>(builder, plan.constants, [&](const Constant &constant) {
    auto name = builder.CreateSharedString(constant.name);
    return fb::CreateConstant(builder, name, constantOffsets[next++], constant.bytes);
  });

  std::vector<fb::Buffer> buffers;
  for (const Buffer &buffer : plan.buffers)
    buffers.emplace_back(buffer.bytes, buffer.alignment, buffer.first, buffer.last, buffer.offset);
  auto bufferList = builder.CreateVectorOfStructs(buffers);

  auto kernelList = kernels(builder, plan.kernels);
  auto steps = tables<fb::Step>(builder, plan.steps, [&](const Step &step) {
    const Launch *launch = std::get_if<Launch>(&step);
    return launch ? launchStep(builder, *launch) : copyStep(builder, *std::get_if<Copy>(&step));
  });
  size_t nextCode = 0;
  auto deviceCode = tables<fb::DeviceCode>(builder, plan.deviceCode, [&](const DeviceCode &code) {
    auto arch = builder.CreateSharedString(code.arch);
    return fb::CreateDeviceCode(builder, arch, code.isPtx, deviceOffsets[nextCode++], code.bytes.size());
  });
  auto memory = fb::CreateMemory(builder, plan.memory.arenaBytes, plan.memory.lowerBound, plan.memory.naiveBytes);
  fb::FinishMetadataBuffer(builder, fb::CreateMetadata(builder, producer, model, tuning, targetTable, exprList, symbols, inputs, outputs, constants,
                                                       bufferList, kernelList, steps, memory, plan.deviceCode.empty() ? 0 : deviceCode));

  std::vector<std::byte> bytes(builder.GetSize());
  std::memcpy(bytes.data(), builder.GetBufferPointer(), bytes.size());
  return bytes;
}

} // namespace tenon::plan
