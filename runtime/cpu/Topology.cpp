#include "runtime/cpu/Topology.h"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace tenon {
namespace {

/// Reads the start of a small system file; false when there is none. Without stdio: it would allocate.
bool readStart(const char *path, char *text, size_t size) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return false;
  ssize_t length = read(file, text, size - 1);
  close(file);
  text[length > 0 ? length : 0] = '\0';
  return length > 0;
}

/// The lowest CPU that shares a core with `cpu`; itself where the system does not tell.
int firstSibling(int cpu) {
  char path[96], list[64];
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
  int first = cpu;
  if (readStart(path, list, sizeof list))
    sscanf(list, "%d", &first);
  return first;
}

/// CPUs' worth of time that the control group grants (cgroup v2, cpu.max: "quota period"), rounded up; 0 for no limit.
unsigned quotaCpus() {
  char text[64];
  long long quota = 0, period = 0;
  if (!readStart("/sys/fs/cgroup/cpu.max", text, sizeof text) || sscanf(text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0)
    return 0;
  return unsigned((quota + period - 1) / period);
}

} // namespace

unsigned usableCores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return 1;
  unsigned cores = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed))
      continue;
    int first = firstSibling(cpu);
    bool isCounted = first < cpu && first >= 0 && first < CPU_SETSIZE && CPU_ISSET(first, &allowed);
    cores += !isCounted;
  }
  unsigned quota = quotaCpus();
  return std::max(1u, quota ? std::min(quota, cores) : cores);
}

} // namespace tenon
