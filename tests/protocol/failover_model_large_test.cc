#include <gtest/gtest.h>

#include "protocol/failover_search.h"

namespace zeolite::protocol {
namespace {

class FailoverModelLarge : public testing::TestWithParam<Case> {};

TEST_P(FailoverModelLarge, NobodyNoticesAnything) { expect_clean(GetParam(), 24'000'000); }

INSTANTIATE_TEST_SUITE_P(
    Forms, FailoverModelLarge,
    testing::Values(
        Case{"late_send", {.early_send = false, .reigns = 3, .appends = 2, .requests = 2}},
        Case{"strict", {.strict = true, .reigns = 3, .appends = 2, .requests = 2}},
        Case{"checkpoints", {.checkpoints = true, .reigns = 3}},
        Case{"outcomes", {.outcomes = true, .reigns = 3, .appends = 2, .requests = 2}},
        Case{"by_command",
             {.coordinated = false, .reigns = 3, .appends = 2, .requests = 2, .handovers = 2}},
        Case{"packs", {.checkpoints = true, .packs = true, .appends = 3, .requests = 2}}),
    case_name);

}  // namespace
}  // namespace zeolite::protocol
