// What a compiler elsewhere must know of this machine.
#pragma once
#include <cstdint>
#include <string>

namespace tenon::driver {

struct Machine {
  std::string cpu;    ///< as its maker calls it
  std::string target; ///< as --target takes it: "x86-64+avx2+fma"
  int cores = 1;      ///< that this process may use
  // Data caches of one core; 0 where the system does not tell.
  int64_t l1Bytes = 0, l2Bytes = 0, l3Bytes = 0;
  int l1Ways = 0;
  std::string gpu;       ///< a GPU as its driver calls it; empty: there is none of that number
  std::string gpuTarget; ///< as --target takes it: "cuda:sm_90a"; empty where no code can be generated for it
};

/// `device`: which of its GPUs counts, by number.
Machine thisMachine(uint32_t device = 0);

/// Cores that this process may use.
int coresOfThisProcess();

} // namespace tenon::driver
