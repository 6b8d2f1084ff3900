#include "sim/mutation.h"

#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "sim/simulation.h"

namespace zeolite::sim {
namespace {

// One of so many seeds has to notice.
constexpr std::uint64_t kSeeds = 3000;

class MutationTest : public testing::TestWithParam<DescribedMutation> {};

TEST_P(MutationTest, IsNoticed) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto report =
        Simulation({.seed = seed, .mutation = GetParam().mutation, .hectic = GetParam().hectic})
            .run();
    if (!report.violation) continue;
    std::cout << GetParam().name << ": seed " << seed << ": " << *report.violation << "\n";
    return;
  }
  ADD_FAILURE() << "nobody notices that " << GetParam().sentence;
}

INSTANTIATE_TEST_SUITE_P(Rules, MutationTest,
                         testing::ValuesIn(mutations().begin(), mutations().end()),
                         [](const auto& rule) { return std::string(rule.param.name); });

}  // namespace
}  // namespace zeolite::sim
