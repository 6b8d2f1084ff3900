#include "protocol/state_search.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace zeolite::protocol {
namespace {

// Two jugs, of 3 and of 5; four of something is wanted. Or two jugs that are alike.
class Jugs {
 public:
  struct State {
    std::int32_t left = 0, right = 0;
  };
  using Step = std::string_view;
  using Successors = std::vector<std::pair<State, Step>>;

  std::int32_t left_size = 3, right_size = 5, unwanted = 4;

  [[nodiscard]] State initial() const { return {}; }
  void expand(const State& from, Successors& successors) const {
    successors.push_back({{left_size, from.right}, "fill left"});
    successors.push_back({{from.left, right_size}, "fill right"});
    successors.push_back({{0, from.right}, "empty left"});
    successors.push_back({{from.left, 0}, "empty right"});
    const std::int32_t to_right = std::min(from.left, right_size - from.right);
    successors.push_back({{from.left - to_right, from.right + to_right}, "left to right"});
    const std::int32_t to_left = std::min(from.right, left_size - from.left);
    successors.push_back({{from.left + to_left, from.right - to_left}, "right to left"});
  }
  [[nodiscard]] State representative(const State& state) const {
    const bool alike = left_size == right_size;
    return alike && state.left > state.right ? State{state.right, state.left} : state;
  }
  [[nodiscard]] std::optional<std::string_view> violation(const State& state) const {
    if (state.right == unwanted) {
      return "there it is";
    }
    return std::nullopt;
  }
  [[nodiscard]] std::string text(const Step& step) const { return std::string(step); }
};

TEST(StateSearch, FindsTheShortestWay) {
  const Jugs jugs;
  const SearchResult result = StateSearch(jugs, 1000).run();
  EXPECT_EQ(result.end, SearchResult::End::violated);
  EXPECT_EQ(result.violation, "there it is");
  EXPECT_EQ(result.depth, 6U);
  const std::vector<std::string> way = {"fill right",    "right to left", "empty left",
                                        "right to left", "fill right",    "right to left"};
  EXPECT_EQ(result.trace, way);
}

TEST(StateSearch, SeesEveryStateOnce) {
  Jugs jugs;
  jugs.unwanted = 6;
  const SearchResult result = StateSearch(jugs, 1000).run();
  EXPECT_EQ(result.end, SearchResult::End::complete);
  EXPECT_EQ(result.states, 16U);  // all with one jug full or empty
  EXPECT_TRUE(result.trace.empty());
}

TEST(StateSearch, CountsStatesThatAreAlikeOnceAndStillNamesTheWay) {
  Jugs jugs;
  jugs.left_size = jugs.right_size = 2;
  jugs.unwanted = 6;
  EXPECT_EQ(StateSearch(jugs, 1000).run().states, 3U);
  jugs.unwanted = 2;
  const SearchResult result = StateSearch(jugs, 1000).run();
  ASSERT_EQ(result.trace.size(), 1U);
  EXPECT_TRUE(result.trace[0] == "fill left" || result.trace[0] == "fill right");
}

TEST(StateSearch, SaysWhenItGaveUp) {
  Jugs jugs;
  jugs.unwanted = 6;
  EXPECT_EQ(StateSearch(jugs, 5).run().end, SearchResult::End::too_many);
}

TEST(StateSearch, LooksAtTheFirstState) {
  Jugs jugs;
  jugs.unwanted = 0;
  const SearchResult result = StateSearch(jugs, 1000).run();
  EXPECT_EQ(result.end, SearchResult::End::violated);
  EXPECT_EQ(result.states, 1U);
  EXPECT_TRUE(result.trace.empty());
}

}  // namespace
}  // namespace zeolite::protocol
