// The matrices of discrete Fourier transforms.
#pragma once
#include "lib/Importer/Node.h"

namespace tenon::importer {

struct FourierShape {
  nn::Dim length; // of the transform
  nn::Dim inputs, outputs;
  bool complexInput = false, complexOutput = true;
  bool inverse = false;
  /// The input is the first half of a spectrum whose other half is its mirrored conjugate.
  bool halfSpectrum = false;
};

/// A matrix [inputs * parts, outputs * parts] that takes samples, real and imaginary parts alternating where they are complex, to the
/// transform. Null after a failure.
mlir::Value fourierMatrix(Node &node, const FourierShape &shape, mlir::Type element);

} // namespace tenon::importer
