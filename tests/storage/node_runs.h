#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "storage/crash_point.h"
#include "support/child_process.h"

namespace zeolite::storage::testing {

// Runs node_child; ends it at `crash_point` ("name:n"), unless that is empty. Whether it was ended
// so; the test has failed when it ended otherwise than it should.
inline bool run_node(const std::string& command, const std::string& directory,
                     const std::string& argument, const std::string& crash_point) {
  static constexpr int kKilled = 137;
  zeolite::testing::Environment environment;
  if (!crash_point.empty()) environment.push_back("ZEOLITE_CRASH_POINT=" + crash_point);
  const auto ended =
      zeolite::testing::run_program({NODE_CHILD, command, directory, argument}, environment);
  EXPECT_TRUE(ended.exit_code == 0 || (!crash_point.empty() && ended.exit_code == kKilled))
      << command << " ended with " << ended.exit_code.value_or(-1) << ": " << ended.error;
  return ended.exit_code == kKilled;
}

// Calls `test(crash_point)` with every passage of every point of nodes that begins with `prefix`,
// until test() says that it was not reached. At least one passage of each is.
template <typename Test>
void for_each_crash(std::string_view prefix, const Test& test) {
  int points = 0;
  for (const std::string_view name : node_crash_point_names()) {
    if (!name.starts_with(prefix)) continue;
    ++points;
    unsigned hit = 1;
    for (bool reached = true; reached && !::testing::Test::HasFatalFailure(); ++hit) {
      const std::string crash_point = std::string(name) + ":" + std::to_string(hit);
      SCOPED_TRACE(crash_point);
      reached = test(crash_point);
      EXPECT_TRUE(reached || hit > 1) << "is never passed";
      ASSERT_LT(hit, 1000U);
    }
  }
  EXPECT_GT(points, 0) << "no point has such a name";
}

}  // namespace zeolite::storage::testing
