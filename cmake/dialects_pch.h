// What all sources include that work on the dialects: half of the time of such a file otherwise.
#pragma once
#include "cmake/pch.h"

#include "dialects/kernel/Kernel.h"
#include "dialects/nn/NN.h"
#include "dialects/plan/Plan.h"
