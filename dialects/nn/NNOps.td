// All ops of nn.
include "dialects/nn/NNElementwise.td"
include "dialects/nn/NNTensor.td"
include "dialects/nn/NNLayers.td"
