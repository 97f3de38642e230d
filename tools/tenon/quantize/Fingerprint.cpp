#include "tools/tenon/quantize/Fingerprint.h"
#include "tools/tenon/File.h"
#include "tools/tenon/Npz.h"

namespace tenon::driver {

void Fingerprint::addFile(const std::string &path) {
  if (path.empty())
    return add("");
  std::vector<std::byte> bytes = readFile(path);
  add({reinterpret_cast<const char *>(bytes.data()), bytes.size()});
}

void Fingerprint::addArchive(const std::string &path) {
  if (path.empty())
    return add("");
  NpzReader archive(path);
  for (const NpzReader::Summary &entry : archive.summaries()) {
    add(entry.name);
    uint64_t numbers[] = {entry.size, entry.checksum};
    add({reinterpret_cast<const char *>(numbers), sizeof numbers});
  }
}

} // namespace tenon::driver
