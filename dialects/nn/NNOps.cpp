// The generated definitions of the ops: the longest compilation of the dialect, so it stands alone.
#include "dialects/nn/NN.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "dialects/nn/NNOps.cpp.inc"
