// Text for people.
#include "tools/tenon/ArenaMap.h"
#include "tools/tenon/HostTensor.h"
#include "tools/tenon/Failure.h"
#include "tools/tenon/Table.h"

#include <gtest/gtest.h>
#include <sstream>

namespace tenon::driver {
namespace {

TEST(Table, ColumnsAreAligned) {
  Table table({{"name"}, {"us", Align::Right}});
  table.add({"conv", "1.5"});
  table.add({"a", "100.0"});
  EXPECT_EQ(table.text(), "  name     us\n"
                          "  ----  -----\n"
                          "  conv    1.5\n"
                          "  a     100.0\n");
}

TEST(Table, LinesStayWithin100Columns) {
  Table table({{"step", Align::Right}, {"nodes"}});
  table.add({"1", std::string(300, 'x')});
  std::istringstream lines(table.text());
  for (std::string line; std::getline(lines, line);)
    EXPECT_LE(line.size(), 100u) << line;
  EXPECT_NE(table.text().find("xxx..."), std::string::npos);
}

TEST(Table, SizesAndTimes) {
  EXPECT_EQ(bytesText(999), "999 B");
  EXPECT_EQ(bytesText(1500), "1.50 kB");
  EXPECT_EQ(bytesText(123'456'789), "123 MB");
  EXPECT_EQ(timeText(1.5e-6), "1.50 us");
  EXPECT_EQ(timeText(0.0123), "12.3 ms");
  EXPECT_EQ(timeText(75), "75.0 s");
}

TEST(Shapes, AreParsed) {
  EXPECT_EQ(parseDims("1x3x224x224"), (std::vector<int64_t>{1, 3, 224, 224}));
  EXPECT_EQ(parseDims(""), std::vector<int64_t>{});
  for (const char *bad : {"x", "1x", "x1", "1xx2", "-1", "1,2", "99999999999999999999", "1 x 2"})
    EXPECT_THROW(parseDims(bad), Failure) << bad;
}

TEST(ArenaMap, ShowsWhoHoldsWhatWhen) {
  // a in steps 0 and 1, b in 1 and 2, c in step 2 where a was.
  tn_buffer_info a{.first_step = 0, .last_step = 1, .offset = 0, .bytes = 100}, b{.first_step = 1, .last_step = 2, .offset = 100, .bytes = 100},
      c{.first_step = 2, .last_step = 2, .offset = 0, .bytes = 100};
  std::string map = arenaMap({a, b, c}, 300, 3);
  EXPECT_NE(map.find("|aac"), std::string::npos) << map;
  EXPECT_NE(map.find("|.bb"), std::string::npos) << map;
  EXPECT_NE(map.find("|..."), std::string::npos) << map;
}

} // namespace
} // namespace tenon::driver
