// The steps of recurrent layers. Each block of a cluster has some of the units: the weights of their gates stay in its registers, as far as they fit,
// from the first step to the last. Every step multiplies the whole state, of which each block has a copy in shared memory, adds up the sums of
// threads and warps, computes the new states of the block's units, one in a thread, and sends them to the other blocks.
#pragma once
#include "passes/6_codegen/gpu/RecurrentShape.h"
#include "passes/6_codegen/gpu/Warp.h"

namespace tenon::gpu {

class RecurrentEmitter {
public:
  RecurrentEmitter(KernelBuilder &b, const RecurrentProblem &p, const RecurrentShape &s);
  void emit();

private:
  using Values = KernelBuilder::Values;
  /// A state that a thread computes, of one unit and one element of the batch.
  struct Slot {
    mlir::Value isThere, sum; // sum: where its first warp's sum of the first gate lies behind ofSums
    Index element, unit, steps;
    mlir::Value resetBias;
    llvm::SmallVector<mlir::Value> peephole; // i, o, f
  };
  /// What a slot carries from step to step.
  struct State {
    mlir::Value hidden, cell; // cell: null where there is none
    Values gates;             // of the step that is computed, without the state's product
  };

  int64_t slotCount() const;
  int64_t blocks() const;
  Slot slotOf(int64_t number);
  Index stepsOf(Index element); // of its sequence
  Index stepsOfAll();           // the longest of the cluster's elements
  Index time(const Slot &slot, Index step);
  mlir::Value loadIf(mlir::Value condition, const Tensor &memory, llvm::ArrayRef<Index> at);
  mlir::Value stateAt(Index step, mlir::Value element); // addresses
  void loadWeights();
  Values weightsOf(Index chunk, int64_t firstGate, int64_t endGate, Index round);
  void start();
  State startOf(const Slot &slot);
  Values gatesAt(const Slot &slot, Index step);

  Values step(Index number, mlir::ValueRange carried);
  /// Sums of warps for the products of vectors, one for each element, with the weights of gates.
  void products(mlir::Value vectors, int64_t firstGate, int64_t endGate);
  void productsOfRound(mlir::Value vectors, int64_t firstGate, int64_t endGate, Index round);
  void addSlices(mlir::Value to, llvm::ArrayRef<mlir::Value> sums, llvm::ArrayRef<int64_t> places);
  mlir::Value sumOf(const Slot &slot, int64_t gate, mlir::Value init);
  void waitForStates(Index number);
  mlir::Value resetStates(const Slot &slot, const State &before);
  State next(Index number, const Slot &slot, const State &before, mlir::Value update);
  void storeStep(Index number, const Slot &slot, mlir::Value hidden);
  mlir::Value hiddenOf(const Slot &slot, const State &before, mlir::Value update, mlir::Value &cell);
  mlir::Value activate(int function, mlir::Value x);
  void send(mlir::Value x, mlir::Value vectors, const Slot &slot, mlir::Value barrier);
  void startBarriers();
  mlir::Value barrierOf(Index state);
  void expect(mlir::Value barrier); // what all blocks send once
  void wait(mlir::Value barrier, Index turn);
  void store(mlir::Value x, const std::optional<cpu::StoreView> &view, llvm::ArrayRef<Index> position);
  void finish(llvm::ArrayRef<State> states);

  Values pack(const State &state);
  llvm::SmallVector<State> unpack(mlir::ValueRange carried);

  KernelBuilder &b;
  Warp w;
  mlir::ImplicitLocOpBuilder &ops;
  RecurrentProblem p;
  RecurrentShape s;
  mlir::Type f32;
  Tensor gates, weights;
  mlir::Value thread, shared, rank, unitOfThread, sliceOfThread; // the last two of the block
  mlir::Value ofStates, ofResets;                                // addresses of barriers: of states by turns
  mlir::Value ofSums; // shared memory, or for every other step what lies as far behind it as one step's sums are long
  Index direction, firstElement, batch, steps, all;
  llvm::SmallVector<Values> resident; // weights of each chunk
  llvm::SmallVector<Slot> slots;
};

} // namespace tenon::gpu
