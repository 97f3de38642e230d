#include "tools/tenon/ArenaMap.h"
#include "tools/tenon/Table.h"

#include <algorithm>

namespace tenon::driver {
namespace {

constexpr uint32_t kColumns = 84, kLines = 24;

/// Length of the intersection of [cellFirst, cellLast) and [from, to).
double overlap(double cellFirst, double cellLast, double from, double to) { return std::max(0.0, std::min(cellLast, to) - std::max(cellFirst, from)); }

} // namespace

char arenaLetter(size_t buffer) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return letters[buffer % (sizeof letters - 1)];
}

std::string arenaMap(const std::vector<tn_buffer_info> &buffers, uint64_t arenaBytes, uint32_t steps) {
  if (arenaBytes == 0 || steps == 0)
    return "  (empty)\n";
  uint32_t columns = std::min(steps, kColumns), lines = uint32_t(std::min<uint64_t>(kLines, std::max<size_t>(buffers.size(), 1)));
  std::string text;
  for (uint32_t line = 0; line < lines; line++) {
    double low = double(arenaBytes) * line / lines, high = double(arenaBytes) * (line + 1) / lines;
    std::string label = bytesText(uint64_t(low));
    text += std::string(10 - std::min<size_t>(10, label.size()), ' ') + label + " |";
    for (uint32_t column = 0; column < columns; column++) {
      double begin = double(steps) * column / columns, end = double(steps) * (column + 1) / columns;
      char cell = '.';
      double most = (high - low) * (end - begin) / 4; // below a quarter the cell counts as free
      for (size_t i = 0; i < buffers.size(); i++) {
        const tn_buffer_info &buffer = buffers[i];
        double area = overlap(low, high, double(buffer.offset), double(buffer.offset + buffer.bytes)) * overlap(begin, end, buffer.first_step, buffer.last_step + 1.0);
        if (area > most) {
          most = area;
          cell = arenaLetter(i);
        }
      }
      text += cell;
    }
    text += '\n';
  }
  std::string label = bytesText(arenaBytes);
  text += std::string(10 - std::min<size_t>(10, label.size()), ' ') + label + " +" + std::string(columns, '-') + "\n" + std::string(12, ' ') + "steps 0 to " + std::to_string(steps - 1) + ", left to right\n";
  return text;
}

} // namespace tenon::driver
