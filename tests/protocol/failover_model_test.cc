#include "protocol/failover_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "protocol/failover_search.h"

namespace zeolite::protocol {
namespace {

constexpr std::size_t kStatesMax = 8'000'000;

class FailoverModelClean : public testing::TestWithParam<Case> {};

TEST_P(FailoverModelClean, NobodyNoticesAnything) { expect_clean(GetParam(), kStatesMax); }

// Part by part, each with as much as fits into a few seconds; failover_model_large_test.cc has
// more.
constexpr std::array kForms = {
    Case{"plain", {.reigns = 3, .appends = 2, .requests = 2}},
    Case{"late_send", {.early_send = false, .reigns = 3}},
    Case{"strict", {.strict = true, .reigns = 3}},
    Case{"switchover", {.appends = 2, .requests = 2, .handovers = 1}},
    Case{"by_command", {.coordinated = false, .reigns = 3, .handovers = 2}},
    Case{"by_command_strict", {.strict = true, .coordinated = false, .handovers = 1}},
    Case{"checkpoints", {.checkpoints = true, .appends = 2, .requests = 2}},
    Case{"outcomes", {.outcomes = true, .appends = 2, .requests = 2}},
    Case{"outcomes_undone", {.outcomes = true, .reigns = 3, .appends = 3}},
    Case{"packs", {.checkpoints = true, .packs = true, .appends = 3}},
    Case{
        "late_strict_with_checkpoints_and_outcomes",
        {.early_send = false, .strict = true, .checkpoints = true, .outcomes = true, .appends = 2}},
};
INSTANTIATE_TEST_SUITE_P(Forms, FailoverModelClean, testing::ValuesIn(kForms), case_name);

class FailoverModelBroken : public testing::TestWithParam<Mutation> {};

// A form of the protocol in which breaking the rule is noticed soon.
Protocol protocol_for(Mutation mutation) {
  Protocol protocol{.appends = 2, .requests = 2};
  if (mutation == Mutation::publish_ignores_inherited) {
    protocol.reigns = 3;
  } else if (mutation == Mutation::strict_acks_alone ||
             mutation == Mutation::strict_inherits_alone) {
    protocol = {.strict = true};
  } else if (mutation == Mutation::epoch_not_above_promise ||
             mutation >= Mutation::handover_before_caught_up) {
    protocol = {.coordinated = false, .handovers = 1};
  } else if (mutation >= Mutation::undo_past_removals) {
    protocol = {.checkpoints = true, .packs = true, .appends = 3};
  } else if (mutation == Mutation::undo_keeps_outcomes) {
    protocol = {.outcomes = true, .reigns = 3, .appends = 3};
  } else if (mutation >= Mutation::tombstone_answered_before_durable) {
    protocol = {.outcomes = true, .appends = 2};
  } else if (mutation >= Mutation::checkpoint_without_promise_check) {
    protocol.checkpoints = true;
  }
  protocol.mutation = mutation;
  return protocol;
}

// Within those bounds the protocol as it is was searched: nothing is noticed but the mutation.
bool within(const Protocol& small, Protocol large) {
  if (small.reigns > large.reigns || small.appends > large.appends ||
      small.requests > large.requests || small.handovers > large.handovers) {
    return false;
  }
  large.reigns = small.reigns;
  large.appends = small.appends;
  large.requests = small.requests;
  large.handovers = small.handovers;
  large.mutation = small.mutation;
  return small == large;
}

TEST_P(FailoverModelBroken, IsNoticed) {
  const SearchResult result =
      search({.name = name_of(GetParam()), .protocol = protocol_for(GetParam())}, kStatesMax);
  EXPECT_EQ(result.end, SearchResult::End::violated) << describe(GetParam());
  EXPECT_FALSE(result.violation.empty());
  EXPECT_EQ(result.trace.size(), result.depth);
}

std::string rule_name(const testing::TestParamInfo<Mutation>& rule) {
  return std::string(name_of(rule.param));
}
INSTANTIATE_TEST_SUITE_P(Rules, FailoverModelBroken, testing::ValuesIn(all_mutations()), rule_name);

TEST(FailoverModel, WasSearchedWhereMutationsAreNoticed) {
  for (const Mutation mutation : all_mutations()) {
    EXPECT_TRUE(std::ranges::any_of(kForms, [&](const Case& form) {
      return within(protocol_for(mutation), form.protocol);
    })) << name_of(mutation);
  }
}

TEST(Mutation, IsNamedAndDescribed) {
  for (const Mutation mutation : all_mutations()) {
    EXPECT_NE(name_of(mutation), name_of(Mutation::none));
    EXPECT_NE(describe(mutation), describe(Mutation::none));
  }
  EXPECT_EQ(all_mutations().size(),
            static_cast<std::size_t>(Mutation::handover_resumed_unanswered));
}

}  // namespace
}  // namespace zeolite::protocol
