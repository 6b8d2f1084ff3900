#pragma once

#include <gtest/gtest.h>

#include <iostream>
#include <ostream>
#include <string>
#include <string_view>

#include "protocol/failover_model.h"
#include "protocol/state_search.h"

namespace zeolite::protocol {

// A form of the protocol under a name that is good for a test's.
struct Case {
  std::string_view name;
  Protocol protocol;
};

inline std::string case_name(const testing::TestParamInfo<Case>& info) {
  return std::string(info.param.name);
}
inline void PrintTo(const Case& it, std::ostream* out) { *out << it.name; }

inline SearchResult search(const Case& it, std::size_t states_max) {
  const FailoverModel model(it.protocol);
  SearchResult result = StateSearch(model, states_max).run();
  std::cout << it.name << ": " << result.states << " states, " << result.depth << " steps deep\n";
  return result;
}

inline std::string told(const SearchResult& result) {
  std::string text = result.violation;
  for (const std::string& step : result.trace) {
    text += "\n  " + step;
  }
  return text;
}

inline void expect_clean(const Case& it, std::size_t states_max) {
  const SearchResult result = search(it, states_max);
  EXPECT_EQ(result.end, SearchResult::End::complete) << told(result);
}

}  // namespace zeolite::protocol
