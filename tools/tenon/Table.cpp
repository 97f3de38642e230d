#include "tools/tenon/Table.h"

#include <algorithm>
#include <cstdio>

namespace tenon::driver {
namespace {

constexpr size_t kLineWidth = 100;
constexpr size_t kNarrowest = 12; // a column is never cut below this

/// Columns that UTF-8 text takes, counting code points.
size_t widthOf(const std::string &text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void append(std::string &line, const std::string &cell, size_t width, Align align) {
  std::string padding(width - std::min(width, widthOf(cell)), ' ');
  line += align == Align::Right ? padding + cell : cell + padding;
}

} // namespace

std::string foreignText(std::string text, size_t width) {
  for (char &c : text)
    c = c < ' ' || c > '~' ? '?' : c;
  return cut(text, width);
}

std::string cut(const std::string &text, size_t width) {
  if (widthOf(text) <= width)
    return text;
  size_t bytes = 0, columns = 0;
  while (bytes < text.size() && (columns + 3 < width || (text[bytes] & 0xC0) == 0x80))
    columns += (text[bytes++] & 0xC0) != 0x80;
  return text.substr(0, bytes) + "...";
}

std::string Table::text() const {
  std::vector<size_t> widths;
  size_t total = 0, flexible = columns.size();
  for (size_t i = 0; i < columns.size(); i++) {
    size_t width = widthOf(columns[i].title);
    for (const std::vector<std::string> &row : rows)
      width = std::max(width, widthOf(row[i]));
    widths.push_back(width);
    total += width + 2;
    if (columns[i].align == Align::Left)
      flexible = i;
  }
  if (total > kLineWidth && flexible < columns.size()) {
    size_t excess = total - kLineWidth;
    widths[flexible] = std::max(kNarrowest, widths[flexible] - std::min(widths[flexible], excess));
  }
  std::string text;
  auto addLine = [&](auto cellOf) {
    std::string line;
    for (size_t i = 0; i < columns.size(); i++) {
      line += "  ";
      append(line, cut(cellOf(i), widths[i]), widths[i], columns[i].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  addLine([&](size_t i) { return columns[i].title; });
  addLine([&](size_t i) { return std::string(widths[i], '-'); });
  for (const std::vector<std::string> &row : rows)
    addLine([&](size_t i) { return row[i]; });
  return text;
}

std::string numberText(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string bytesText(uint64_t bytes) {
  static const char *units[] = {"B", "kB", "MB", "GB", "TB"};
  double value = double(bytes);
  int unit = 0;
  while (value >= 999.5 && unit < 4) {
    value /= 1000;
    unit++;
  }
  return numberText(value, unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2) + " " + units[unit];
}

std::string timeText(double seconds) {
  double value = seconds * 1e6;
  const char *unit = "us";
  if (value >= 999.5) {
    value /= 1000;
    unit = "ms";
  }
  if (value >= 9999.5) {
    value /= 1000;
    unit = "s";
  }
  return numberText(value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2) + " " + unit;
}

} // namespace tenon::driver
