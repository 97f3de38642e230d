#include "passes/6_codegen/gpu/Warp.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

namespace tenon::gpu {
using namespace mlir;

// --- i32 arithmetic

Value Warp::add(Value x, Value y) {
  return arith::AddIOp::create(ops, x, y);
}
Value Warp::mul(Value x, int64_t y) {
  return y == 1 ? x : arith::MulIOp::create(ops, x, i32(y)).getResult();
}
Value Warp::div(Value x, int64_t y) {
  return y == 1 ? x : arith::DivUIOp::create(ops, x, i32(y)).getResult();
}
Value Warp::rem(Value x, int64_t y) {
  return y == 1 ? i32(0) : arith::RemUIOp::create(ops, x, i32(y)).getResult();
}
Value Warp::bitXor(Value x, Value y) {
  return arith::XOrIOp::create(ops, x, y);
}
Value Warp::bitAnd(Value x, Value y) {
  return arith::AndIOp::create(ops, x, y);
}
Value Warp::below(Value x, Value y) {
  return arith::CmpIOp::create(ops, arith::CmpIPredicate::ult, x, y);
}
Value Warp::clamp(Value x, Value most) {
  return arith::MaxSIOp::create(ops, arith::MinSIOp::create(ops, x, most), i32(0));
}
Value Warp::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(ops, condition, x, y);
}
Index Warp::wide(Value x) {
  return Index(arith::ExtSIOp::create(ops, ops.getI64Type(), x).getResult());
}
Value Warp::narrow(Index i) {
  return i.isConstant() ? i32(i.get()) : arith::TruncIOp::create(ops, ops.getI32Type(), i.dynamic()).getResult();
}

SmallVector<Index> Warp::pixelOf(Index task, ArrayRef<nn::Dim> dims, int64_t lanes) {
  auto next = [&](nn::Dim size) { // the remainder; what is left becomes the quotient
    if (std::optional<int64_t> known = size.asConstant()) {
      Value number = narrow(task);
      task = wide(div(number, *known));
      return wide(rem(number, *known));
    }
    Index extent = b.dim(size), remainder = b.rem(task, extent);
    task = b.div(task, extent);
    return remainder;
  };
  Index channel = b.mul(next(dims[3].floorDiv(lanes)), lanes), column = next(dims[2]), row = next(dims[1]);
  return {task, row, column, channel};
}

Value Warp::thread() {
  return NVVM::ThreadIdXOp::create(ops, ops.getI32Type());
}

Value Warp::rankInCluster() {
  return assembly(ops.getI32Type(), {}, "mov.u32 $0, %cluster_ctarank;", "=r", false);
}

static bool isFloat(Value x) {
  return isa<FloatType>(x.getType());
}

Value Warp::exchange(Value x, int64_t distance) {
  // Threads of a warp take part together: not to be moved into a branch.
  return assembly(x.getType(), x, "shfl.sync.bfly.b32 $0, $1, " + std::to_string(distance) + ", 31, -1;", isFloat(x) ? "=f,f" : "=r,r", true);
}

Value Warp::rsqrt(Value x) {
  return assembly(x.getType(), x, "rsqrt.approx.ftz.f32 $0, $1;", "=f,f", false);
}

Value Warp::exp2(Value x) {
  return assembly(x.getType(), x, "ex2.approx.ftz.f32 $0, $1;", "=f,f", false);
}

Value Warp::ballot(Value condition) {
  Value flag = arith::ExtUIOp::create(ops, ops.getI32Type(), condition);
  return assembly(ops.getI32Type(), flag, "{ .reg .pred p; setp.ne.b32 p, $1, 0; vote.sync.ballot.b32 $0, p, -1; }", "=r,r", true);
}

Value Warp::fromLane(Value x, Value lane) {
  return assembly(x.getType(), {x, lane}, "shfl.sync.idx.b32 $0, $1, $2, 31, -1;", isFloat(x) ? "=f,f,r" : "=r,r,r", true);
}

// --- global memory

static Type wordsStructure(OpBuilder &ops) {
  Type word = ops.getI32Type();
  return LLVM::LLVMStructType::getLiteral(ops.getContext(), {word, word, word, word});
}

Value Warp::loadIf(Value condition, Value address) {
  constexpr StringRef kText = "{ .reg .pred p; setp.ne.b32 p, $5, 0; mov.b32 $0, 0; mov.b32 $1, 0; mov.b32 $2, 0; mov.b32 $3, 0; "
                              "@p ld.global.v4.b32 {$0, $1, $2, $3}, [$4]; }";
  Value flag = arith::ExtUIOp::create(ops, ops.getI32Type(), condition);
  Fragment words = parts(assembly(wordsStructure(ops), {address, flag}, kText, "=&r,=&r,=&r,=&r,l,r,~{memory}", true));
  return vector::FromElementsOp::create(ops, VectorType::get({4}, ops.getI32Type()), words);
}

Value Warp::loadIf(Value condition, Value address, VectorType type) {
  int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8, words = llvm::divideCeil(bytes, int64_t(4));
  Type word = bytes < 4 ? ops.getI16Type() : ops.getI32Type();
  std::string list, zeros, constraints, bits = bytes < 4 ? "16" : "32", read = bytes == 1 ? "8" : bits, flagNumber = std::to_string(words + 1);
  for (int64_t i = 0; i < words; ++i) {
    list += (i ? ", $" : "$") + std::to_string(i);
    zeros += " mov.b" + bits + " $" + std::to_string(i) + ", 0;";
    constraints += bytes < 4 ? "=&h," : "=&r,";
  }
  if (words > 1)
    list = "{" + list + "}";
  std::string suffix = words > 1 ? ".v" + std::to_string(words) : "";
  std::string text = "{ .reg .pred p; setp.ne.b32 p, $" + flagNumber + ", 0;" + zeros + " @p ld.global" + suffix + ".b" + read + " " + list + ", [$" +
                     std::to_string(words) + "]; }";
  Value flag = arith::ExtUIOp::create(ops, ops.getI32Type(), condition);
  Type result = words > 1 ? Type(LLVM::LLVMStructType::getLiteral(ops.getContext(), SmallVector<Type>(words, word))) : word;
  Value loaded = assembly(result, {address, flag}, text, constraints + "l,r,~{memory}", true);
  if (bytes == 1) // in a register of 16 bits
    loaded = arith::TruncIOp::create(ops, word = ops.getI8Type(), loaded);
  Fragment all = words > 1 ? parts(loaded) : Fragment{loaded};
  return LLVM::BitcastOp::create(ops, type, vector::FromElementsOp::create(ops, VectorType::get({words}, word), all));
}

Value Warp::loadConstant(Value address) {
  Fragment words = parts(assembly(wordsStructure(ops), {address}, "ld.global.nc.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l", false));
  return vector::FromElementsOp::create(ops, VectorType::get({4}, ops.getI32Type()), words);
}

void Warp::prefetch(Value address) {
  assembly({}, {address}, "prefetch.global.L2 [$0];", "l", true);
}

// --- shared memory

Value Warp::assembly(Type result, ValueRange operands, StringRef text, StringRef constraints, bool effects) {
  SmallVector<Type, 1> results;
  if (result)
    results.push_back(result);
  auto op = LLVM::InlineAsmOp::create(ops, TypeRange(results), operands, text, constraints, effects, /*is_align_stack=*/false,
                                      LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
  return result ? op->getResult(0) : Value();
}

Value Warp::shared() {
  auto body = b.ops().getInsertionBlock()->getParentOp();
  auto module = body->getParentOfType<ModuleOp>();
  std::string name = (b.kernelFunc().getSymName() + "_shared").str();
  auto type = LLVM::LLVMArrayType::get(ops.getI8Type(), 0);
  constexpr unsigned kSharedSpace = 3;
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(ops);
    ops.setInsertionPointToStart(module.getBody());
    auto global =
        LLVM::GlobalOp::create(ops, type, /*isConstant=*/false, LLVM::Linkage::External, name, Attribute(), /*alignment=*/1024, kSharedSpace);
    (void)global;
  }
  Value pointer = LLVM::AddressOfOp::create(ops, LLVM::LLVMPointerType::get(ops.getContext(), kSharedSpace), name);
  return LLVM::PtrToIntOp::create(ops, ops.getI32Type(), pointer);
}

bool Warp::hasAsyncCopies() const { return b.target().computeCapability >= kFirstWithAsyncCopies; }

void Warp::copyAsync(Value to, Value from, Value bytes) {
  if (!hasAsyncCopies()) {
    Value isRead = arith::CmpIOp::create(ops, arith::CmpIPredicate::ne, bytes, i32(0));
    return store(to, loadIf(isRead, from));
  }
  assembly({}, {to, from, bytes}, "cp.async.cg.shared.global [$0], [$1], 16, $2;", "r,l,r,~{memory}", true);
}
void Warp::copyAsync(Value to, Value from, Value bytes, int64_t width) {
  constexpr int64_t kWidest = 16, kWord = 4;
  if (width == kWidest)
    return copyAsync(to, from, bytes);
  if (!hasAsyncCopies()) {
    Value isRead = arith::CmpIOp::create(ops, arith::CmpIPredicate::ne, bytes, i32(0));
    return store(to, loadIf(isRead, from, VectorType::get({width / kWord}, ops.getI32Type())));
  }
  assembly({}, {to, from, bytes}, "cp.async.ca.shared.global [$0], [$1], " + std::to_string(width) + ", $2;", "r,l,r,~{memory}", true);
}
void Warp::copyAsyncOr(Value to, Value from, Value condition, Value filler) {
  if (!hasAsyncCopies())
    return store(to, arith::SelectOp::create(ops, condition, loadIf(condition, from), b.splat(filler, 4)));
  constexpr StringRef kText = "{ .reg .pred p; setp.ne.b32 p, $2, 0; @p cp.async.cg.shared.global [$0], [$1], 16; "
                              "@!p st.shared.v4.b32 [$0], {$3, $3, $3, $3}; }";
  Value flag = arith::ExtUIOp::create(ops, ops.getI32Type(), condition);
  assembly({}, {to, from, flag, filler}, kText, "r,l,r,r,~{memory}", true);
}
void Warp::commit() {
  if (hasAsyncCopies())
    assembly({}, {}, "cp.async.commit_group;", "~{memory}", true);
}
void Warp::waitFor(int groups) {
  if (hasAsyncCopies())
    assembly({}, {}, "cp.async.wait_group " + std::to_string(groups) + ";", "~{memory}", true);
}
void Warp::barrier() {
  assembly({}, {}, "bar.sync 0;", "~{memory}", true);
}

void Warp::storeWords(StringRef instruction, Value address, Value vector) {
  auto type = cast<VectorType>(vector.getType());
  unsigned words = type.getNumElements() * type.getElementTypeBitWidth() / 32;
  auto wordsType = VectorType::get({words}, ops.getI32Type());
  Value bits = LLVM::BitcastOp::create(ops, wordsType, vector);
  SmallVector<Value> operands{address};
  std::string list, constraints = "r";
  for (unsigned i = 0; i < words; ++i) {
    operands.push_back(b.extractLane(bits, i));
    list += (i ? ", $" : "$") + std::to_string(i + 1);
    constraints += ",r";
  }
  std::string suffix = words > 1 ? ".v" + std::to_string(words) : "";
  assembly({}, operands, instruction.str() + suffix + ".b32 [$0], " + (words > 1 ? "{" + list + "}" : list) + ";", constraints + ",~{memory}", true);
}
void Warp::store(Value address, Value vector) {
  storeWords("st.shared", address, vector);
}

void Warp::storeIf(Value condition, Value address, Value x) {
  Value flag = arith::ExtUIOp::create(ops, ops.getI32Type(), condition);
  assembly({}, {address, x, flag}, "{ .reg .pred p; setp.ne.b32 p, $2, 0; @p st.shared.b32 [$0], $1; }",
           isFloat(x) ? "r,f,r,~{memory}" : "r,r,r,~{memory}", true);
}

Warp::Fragment Warp::parts(Value structure) {
  Fragment values;
  auto type = cast<LLVM::LLVMStructType>(structure.getType());
  for (unsigned i = 0; i < type.getBody().size(); ++i)
    values.push_back(LLVM::ExtractValueOp::create(ops, structure, ArrayRef<int64_t>{i}));
  return values;
}

Value Warp::floats(StringRef instruction, Value address) {
  Type f32 = ops.getF32Type();
  auto type = LLVM::LLVMStructType::getLiteral(ops.getContext(), {f32, f32, f32, f32});
  Fragment loaded = parts(assembly(type, {address}, (instruction + " {$0, $1, $2, $3}, [$4];").str(), "=f,=f,=f,=f,r,~{memory}", true));
  return vector::FromElementsOp::create(ops, VectorType::get({4}, f32), loaded);
}

Value Warp::loadWordIf(Value condition, Value address) {
  Value flag = arith::ExtUIOp::create(ops, ops.getI32Type(), condition);
  return assembly(ops.getI32Type(), {address, flag}, "{ .reg .pred p; setp.ne.b32 p, $2, 0; mov.b32 $0, 0; @p ld.shared.b32 $0, [$1]; }",
                  "=&r,r,r,~{memory}", true);
}
Value Warp::loadElement(Value address, Type type) {
  if (type.getIntOrFloatBitWidth() == 64)
    return LLVM::BitcastOp::create(ops, type, assembly(ops.getI64Type(), {address}, "ld.shared.b64 $0, [$1];", "=l,r,~{memory}", true));
  bool isHalf = type.getIntOrFloatBitWidth() == 16;
  Type bits = isHalf ? ops.getI16Type() : ops.getI32Type();
  Value loaded = assembly(bits, {address}, isHalf ? "ld.shared.b16 $0, [$1];" : "ld.shared.b32 $0, [$1];", isHalf ? "=h,r,~{memory}" : "=r,r,~{memory}", true);
  return LLVM::BitcastOp::create(ops, type, loaded);
}
Value Warp::loadFloats(Value address) {
  return floats("ld.shared.v4.f32", address);
}
Value Warp::loadSums(Value address, Factors factors) {
  Value loaded = loadFloats(address);
  return factors == Factors::Bytes ? LLVM::BitcastOp::create(ops, VectorType::get({4}, ops.getI32Type()), loaded).getResult() : loaded;
}
void Warp::countShared(Value address) {
  assembly({}, {address}, "red.shared.add.u32 [$0], 1;", "r,~{memory}", true);
}
Value Warp::takeShared(Value address) {
  return assembly(ops.getI32Type(), {address}, "atom.shared.add.u32 $0, [$1], 1;", "=r,r,~{memory}", true);
}
std::pair<Value, Value> Warp::loadPair(Value address) {
  Type f32 = ops.getF32Type();
  Fragment loaded = parts(assembly(LLVM::LLVMStructType::getLiteral(ops.getContext(), {f32, f32}), {address}, "ld.shared.v2.f32 {$0, $1}, [$2];",
                                   "=f,=f,r,~{memory}", true));
  return {loaded[0], loaded[1]};
}
Value Warp::loadPeer(Value address) {
  return floats("ld.shared::cluster.v4.f32", address);
}
Value Warp::peer(Value address, Value rank) {
  return assembly(ops.getI32Type(), {address, rank}, "mapa.shared::cluster.u32 $0, $1, $2;", "=r,r,r", false);
}
void Warp::storePeer(Value address, Value vector) {
  storeWords("st.shared::cluster", address, vector);
}
void Warp::arriveInCluster() {
  assembly({}, {}, "barrier.cluster.arrive.relaxed.aligned;", "~{memory}", true);
}
void Warp::waitForCluster() {
  assembly({}, {}, "barrier.cluster.wait.aligned;", "~{memory}", true);
}
void Warp::clusterBarrier() {
  assembly({}, {}, "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;", "~{memory}", true);
}

// --- matrix products

Warp::Fragment Warp::loadMatrices(Value address, bool transposed) {
  Type i32Type = ops.getI32Type();
  auto type = LLVM::LLVMStructType::getLiteral(ops.getContext(), {i32Type, i32Type, i32Type, i32Type});
  StringRef text = transposed ? "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {$0, $1, $2, $3}, [$4];"
                              : "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {$0, $1, $2, $3}, [$4];";
  return parts(assembly(type, {address}, text, "=r,=r,=r,=r,r,~{memory}", true));
}

/// The shape's depth, then the types of the sums and the factors.
static StringRef productOf(Factors factors) {
  if (factors == Factors::Bytes)
    return "k32.s32.u8.s8";
  if (factors == Factors::E4M3)
    return "k32.f32.e4m3.e4m3";
  if (factors == Factors::TF32)
    return "k8.f32.tf32.tf32";
  return factors == Factors::BF16 ? "k16.f32.bf16.bf16" : "k16.f32.f16.f16";
}

Warp::Fragment Warp::splitFull(Fragment &words) {
  constexpr int64_t kLeading = int64_t(0xffffe000) - (int64_t(1) << 32); // a sign, an exponent and ten bits
  Fragment rest;
  auto number = [&](Value word) { return LLVM::BitcastOp::create(ops, ops.getF32Type(), word); };
  for (Value &word : words) {
    Value high = bitAnd(word, i32(kLeading)), isWhole = arith::CmpIOp::create(ops, arith::CmpIPredicate::eq, word, high);
    Value low = LLVM::BitcastOp::create(ops, ops.getI32Type(), arith::SubFOp::create(ops, number(word), number(high)));
    rest.push_back(select(isWhole, i32(0), low)); // nothing is left of infinity; of the rest matrix units take the leading bits
    word = high;
  }
  return rest;
}

Warp::Fragment Warp::roundFull(ValueRange words) {
  return llvm::map_to_vector(words, [&](Value word) { return assembly(ops.getI32Type(), word, "cvt.rna.tf32.f32 $0, $1;", "=r,r", false); });
}

/// The instructions of sm_75 have half the depth, and those of bytes half the rows, too.
void Warp::multiplyInParts(Factors factors, ValueRange left, ValueRange right, MutableArrayRef<Value> sums) {
  constexpr int64_t kHalves = 2;
  Type sum = sums.front().getType();
  if (factors == Factors::Bytes) {
    auto type = LLVM::LLVMStructType::getLiteral(ops.getContext(), {sum, sum});
    constexpr StringRef kText = "mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {$0, $1}, {$2}, {$3}, {$4, $5};";
    for (int64_t depth = 0; depth < kHalves; ++depth)
      for (int64_t rows = 0; rows < kHalves; ++rows) {
        MutableArrayRef<Value> own = sums.slice(kHalves * rows, kHalves);
        Value operands[] = {left[kHalves * depth + rows], right[depth], own[0], own[1]};
        llvm::copy(parts(assembly(type, operands, kText, "=r,=r,r,r,r,r", false)), own.begin());
      }
    return;
  }
  auto type = LLVM::LLVMStructType::getLiteral(ops.getContext(), {sum, sum, sum, sum});
  constexpr StringRef kText = "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {$0, $1, $2, $3}, {$4, $5}, {$6}, {$7, $8, $9, $10};";
  for (int64_t depth = 0; depth < kHalves; ++depth) {
    Value operands[] = {left[kHalves * depth], left[kHalves * depth + 1], right[depth], sums[0], sums[1], sums[2], sums[3]};
    llvm::copy(parts(assembly(type, operands, kText, "=f,=f,=f,=f,r,r,r,f,f,f,f", false)), sums.begin());
  }
}

void Warp::multiply(Factors factors, ValueRange left, ValueRange right, MutableArrayRef<Value> sums) {
  if (!hasAsyncCopies())
    return multiplyInParts(factors, left, right, sums);
  SmallVector<Value> operands(left);
  llvm::append_range(operands, right);
  llvm::append_range(operands, sums);
  Type sum = sums.front().getType();
  auto type = LLVM::LLVMStructType::getLiteral(ops.getContext(), {sum, sum, sum, sum});
  bool isBytes = factors == Factors::Bytes;
  auto [depth, types] = productOf(factors).split('.');
  std::string text = ("mma.sync.aligned.m16n8" + depth + ".row.col." + types + (isBytes ? ".s32" : ".f32") +
                      " {$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};")
                         .str();
  StringRef constraints = isBytes ? "=r,=r,=r,=r,r,r,r,r,r,r,r,r,r,r" : "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f";
  llvm::copy(parts(assembly(type, operands, text, constraints, false)), sums.begin());
}

// --- matrix products of four warps

/// PTX ISA, matrix descriptor: an address and two distances in units of 16 bytes, and a swizzle.
Value Warp::described(Value address, int64_t leadingBytes, int64_t strideBytes, int64_t swizzle) {
  constexpr int64_t kAddressMask = 0x3FFFF, kUnit = 16;
  int64_t rest = swizzle << 62 | (strideBytes / kUnit) << 32 | (leadingBytes / kUnit) << 16;
  Value start = arith::ExtUIOp::create(ops, ops.getI64Type(), div(bitAnd(address, i32(kAddressMask)), kUnit));
  return arith::OrIOp::create(ops, start, b.integer(rest, ops.getI64Type()));
}

/// 1 for rows of 128 bytes, 2 for 64, 3 for 32.
static int64_t swizzleOf(int64_t rowBytes) {
  return rowBytes == 128 ? 1 : rowBytes == 64 ? 2 : 3;
}

Value Warp::swizzledRows(Value address, int64_t rowBytes) {
  constexpr int64_t kRows = 8, kUnused = 16;
  return described(address, kUnused, kRows * rowBytes, swizzleOf(rowBytes));
}

int64_t Warp::swizzleDistance(int64_t fromRowBytes, int64_t toRowBytes) {
  constexpr int64_t kRows = 8, kUnit = 16;
  uint64_t swizzle = uint64_t(swizzleOf(toRowBytes) - swizzleOf(fromRowBytes)) << 62, stride = uint64_t(kRows * (toRowBytes - fromRowBytes) / kUnit)
                                                                                               << 32;
  return int64_t(swizzle + stride); // modulo 2^64
}

Value Warp::swizzledPanels(Value address, int64_t panelBytes) {
  constexpr int64_t kGroupBytes = 1024, kRowBytes = 128; // of eight rows
  return described(address, panelBytes, kGroupBytes, swizzleOf(kRowBytes));
}

Value Warp::chunkedRows(Value address, int64_t rows) {
  constexpr int64_t kChunkBytes = 16, kRowsBytes = 8 * kChunkBytes;
  return described(address, rows * kChunkBytes, kRowsBytes, 0);
}

void Warp::showToProducts() {
  assembly({}, {}, "fence.proxy.async.shared::cta;", "~{memory}", true);
}

/// Assembly that changes values, f32 or i32, in their registers: operands $N and later for N values.
void Warp::update(MutableArrayRef<Value> values, ValueRange operands, StringRef text, StringRef constraints) {
  std::string all, result = isFloat(values.front()) ? "=f" : "=r";
  for (size_t i = 0; i < values.size(); ++i)
    all += i ? "," + result : result;
  all += constraints;
  SmallVector<Value> inputs(operands);
  for (size_t i = 0; i < values.size(); ++i) {
    all += "," + std::to_string(i);
    inputs.push_back(values[i]);
  }
  SmallVector<Type> types(values.size(), values.front().getType());
  Value updated = assembly(LLVM::LLVMStructType::getLiteral(ops.getContext(), types), inputs, text, all + ",~{memory}", true);
  llvm::copy(parts(updated), values.begin());
}

/// What follows the operands of a group's product: that it adds to the sums; of halves also factors as they are, and whether operands are transposed.
static StringRef restOfProduct(Factors factors, bool inPanels = false) {
  if (inPanels)
    return ", adds, 1, 1, 0, 1; ";
  if (factors == Factors::TF32 || factors == Factors::E4M3)
    return ", adds, 1, 1; ";
  return factors == Factors::Bytes ? ", adds; " : ", adds, 1, 1, 0, 0; ";
}

void Warp::multiplyGroup(Factors factors, int64_t columns, ArrayRef<std::pair<Value, Value>> operands, MutableArrayRef<Value> sums, bool adds,
                         bool inPanels) {
  std::string list, constraints;
  for (size_t i = 0; i < sums.size(); ++i)
    list += (i ? ", $" : "$") + std::to_string(i);
  std::string text = std::string("{ .reg .pred adds; setp.eq.u32 adds, ") + (adds ? "0" : "1") + ", 0; wgmma.fence.sync.aligned; ";
  SmallVector<Value> inputs;
  for (auto [left, right] : operands) {
    std::string first = std::to_string(sums.size() + inputs.size()), second = std::to_string(sums.size() + inputs.size() + 1);
    text += "wgmma.mma_async.sync.aligned.m64n" + std::to_string(columns) + productOf(factors).str() + " {" + list + "}, $" + first + ", $" + second +
            restOfProduct(factors, inPanels).str();
    if (!adds && inputs.empty())
      text += "setp.eq.u32 adds, 0, 0; ";
    constraints += ",l,l";
    inputs.append({left, right});
  }
  update(sums, inputs, text + "wgmma.commit_group.sync.aligned; }", constraints);
}

void Warp::multiplyGroup(Factors factors, int64_t columns, Value left, Value right, ArrayRef<GroupStep> steps, MutableArrayRef<Value> sums) {
  std::string first = "$" + std::to_string(sums.size()), second = "$" + std::to_string(sums.size() + 1);
  int64_t each = columns / 2; // of a group
  std::string text = "{ .reg .pred adds; .reg .b64 l, r; setp.eq.u32 adds, 0, 0; wgmma.fence.sync.aligned; ";
  for (const GroupStep &step : steps) {
    std::string list;
    for (int64_t i = 0; i < each; ++i)
      list += (i ? ", $" : "$") + std::to_string(step.group * each + i);
    text += "add.s64 l, " + first + ", " + std::to_string(step.left) + "; add.s64 r, " + second + ", " + std::to_string(step.right) +
            "; wgmma.mma_async.sync.aligned.m64n" + std::to_string(columns) + productOf(factors).str() + " {" + list + "}, l, r" +
            restOfProduct(factors).str();
  }
  update(sums, {left, right}, text + "wgmma.commit_group.sync.aligned; }", ",l,l");
}

void Warp::waitForProducts(MutableArrayRef<Value> sums) {
  update(sums, {}, "wgmma.wait_group.sync.aligned 0;", "");
}

} // namespace tenon::gpu
