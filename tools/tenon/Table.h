// Text for people: tables, sizes, times.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::driver {

enum class Align { Left, Right };

/// A table whose columns are as wide as their widest cell, at most 100 columns in all: the last left-aligned column is cut where needed.
class Table {
public:
  struct Column {
    std::string title;
    Align align = Align::Left;
  };
  explicit Table(std::vector<Column> columns) : columns(std::move(columns)) {}
  void add(std::vector<std::string> cells) { rows.push_back(std::move(cells)); }
  bool empty() const { return rows.empty(); }
  /// The table with a line under the titles, every line indented by two.
  std::string text() const;

private:
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;
};

/// "1.5 MB": 1 kB = 1000 B.
std::string bytesText(uint64_t bytes);
/// "12.3 ms" or "850 us", three digits that count.
std::string timeText(double seconds);
/// With `digits` after the point.
std::string numberText(double value, int digits);
/// `text`, at most `width` columns of UTF-8, with "..." at the end where it was cut.
std::string cut(const std::string &text, size_t width);
/// Words of somebody else for a terminal: cut, and '?' for every byte that is not printable ASCII.
std::string foreignText(std::string text, size_t width);

} // namespace tenon::driver
