#include "test/unit/runtime/DecidingPlans.h"

#include <gtest/gtest.h>

namespace tenon::test {

Opened::Opened(const plan::Plan &data, tn_context_options options) : bytes(plan::writePlanToMemory(data)) {
  EXPECT_EQ(tn_plan_open_memory(bytes.data(), bytes.size(), TN_OPEN_VERIFY, &plan), TN_OK) << tn_last_error();
  options.threads = 1;
  EXPECT_EQ(tn_context_create(plan, &options, &context), TN_OK) << tn_last_error();
}

Opened::~Opened() {
  tn_context_destroy(context);
  tn_plan_close(plan);
}

std::vector<float> floatsOf(const tn_tensor &tensor) {
  auto *data = static_cast<const float *>(tensor.data);
  return {data, data + tensor.bytes / sizeof(float)};
}

tn_tensor vectorOf(std::vector<float> &values) {
  return {values.data(), values.size() * sizeof(float), TN_F32, 1, {int64_t(values.size())}};
}

tn_tensor numberOf(int64_t &value) {
  return {&value, sizeof value, TN_I64, 0, {}};
}

tn_status runReading(Opened &opened, int64_t count, tn_tensor &output) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  tn_tensor inputs[] = {{&count, sizeof count, TN_I64, 1, {1}}, vectorOf(x)};
  return tn_run(opened.context, inputs, &output);
}

void expectOutputsAsLongAsAnInputSays(Opened &reading) {
  tn_tensor output{};
  for (int64_t count : {3, 8, 0, 5, 5}) {
    ASSERT_EQ(runReading(reading, count, output), TN_OK) << reading.message();
    EXPECT_EQ(output.rank, 1);
    EXPECT_EQ(output.dims[0], count);
    std::vector<float> y = floatsOf(output);
    ASSERT_EQ(y.size(), size_t(count));
    for (int64_t i = 0; i < count; ++i)
      EXPECT_EQ(y[size_t(i)], float(2 * (i + 1)));
  }
}

void expectRunsToFailWhereASizeIsWrong(Opened &reading) {
  tn_tensor output{};
  EXPECT_EQ(runReading(reading, -1, output), TN_SHAPE_MISMATCH);
  EXPECT_NE(reading.message().find("node '/Count': the size 'm' is -1"), std::string::npos) << reading.message();
  EXPECT_EQ(runReading(reading, 9, output), TN_SHAPE_MISMATCH);
  EXPECT_NE(reading.message().find("node '/Slice': the elements it takes: found 9, expected at most 8"), std::string::npos) << reading.message();
  EXPECT_EQ(runReading(reading, INT64_MAX, output), TN_SHAPE_MISMATCH);
  ASSERT_EQ(runReading(reading, 2, output), TN_OK) << reading.message();
  EXPECT_EQ(floatsOf(output), (std::vector<float>{2, 4}));
}

void expectAnOutputInTheCallersMemory(Opened &reading) {
  float room[4] = {};
  tn_tensor output{room, sizeof room, TN_F32, 0, {}};
  ASSERT_EQ(runReading(reading, 4, output), TN_OK) << reading.message();
  EXPECT_EQ(output.data, room);
  EXPECT_EQ(room[3], 8);
  output = {room, sizeof room, TN_F32, 0, {}};
  EXPECT_EQ(runReading(reading, 5, output), TN_SHAPE_MISMATCH);
  EXPECT_NE(reading.message().find("'y' has 16 bytes of memory, its shape needs 20"), std::string::npos) << reading.message();
}

void expectOneOfTwoPlans(Opened &branching) {
  for (uint8_t condition : {1, 0, 1})
    for (size_t n : {4u, 7u, 0u}) {
      std::vector<float> x(n, 3), expected(n, condition ? 3.f : 6.f);
      tn_tensor inputs[] = {{&condition, 1, TN_BOOL, 0, {}}, vectorOf(x)}, output{};
      ASSERT_EQ(tn_run(branching.context, inputs, &output), TN_OK) << branching.message();
      EXPECT_EQ(floatsOf(output), expected);
    }
}

void expectTrips(Opened &looping, int64_t trips) {
  std::vector<float> x = {1, 2};
  tn_tensor inputs[] = {numberOf(trips), vectorOf(x)}, outputs[2] = {};
  ASSERT_EQ(tn_run(looping.context, inputs, outputs), TN_OK) << looping.message();
  float power = float(1 << trips);
  EXPECT_EQ(floatsOf(outputs[0]), (std::vector<float>{power, 2 * power}));
  EXPECT_EQ(outputs[1].dims[0], trips);
  std::vector<float> rows = floatsOf(outputs[1]);
  ASSERT_EQ(rows.size(), size_t(2 * trips));
  for (int64_t i = 0; i < trips; ++i)
    EXPECT_EQ(rows[size_t(2 * i)], float(2 << i));
}

} // namespace tenon::test
