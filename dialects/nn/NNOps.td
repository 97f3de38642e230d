// All ops of nn.
include "dialects/nn/NNElementwise.td"
include "dialects/nn/NNTensor.td"
include "dialects/nn/NNLayers.td"
include "dialects/nn/NNRunTime.td"
include "dialects/nn/NNControl.td"
include "dialects/nn/NNWindows.td"
