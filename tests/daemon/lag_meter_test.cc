#include "daemon/lag_meter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace zeolite::daemon {
namespace {

TransactionRecord record(std::uint64_t tid, std::size_t bytes) {
  TransactionRecord made;
  made.tid = Tid(tid);
  made.writes.push_back(
      {.oid = Oid(1), .previous = kNoTid, .data = Bytes(std::string(bytes, 'x')), .back = kNoTid});
  return made;
}

using Lag = LagMeter::Lag;

TEST(LagMeter, CountsWhatCameAfterAPosition) {
  LagMeter meter;
  EXPECT_EQ(meter.after(Tid(5)), Lag{});
  meter.wrote(std::vector{record(1, 10), record(2, 20)});
  meter.wrote(std::vector{record(3, 30)});
  EXPECT_EQ(meter.after(Tid(3)), Lag{});
  EXPECT_EQ(meter.after(Tid(2)), (Lag{1, 30}));
  EXPECT_EQ(meter.after(kNoTid), (Lag{3, 60}));
  EXPECT_EQ(meter.after(Tid(1)), (Lag{3, 60})) << "within a group: not less than it is";
  EXPECT_EQ(meter.after(Tid(9)), Lag{});
}

TEST(LagMeter, TheServersOwnRecordsAreNoTransactions) {
  LagMeter meter;
  TransactionRecord oids;
  oids.kind = RecordKind::oids;
  oids.tid = Tid(1);
  meter.wrote(std::vector{oids});
  EXPECT_EQ(meter.after(kNoTid), Lag{});
}

TEST(LagMeter, IsExactForTheNewestAndNeverTooSmall) {
  LagMeter meter;
  constexpr std::uint64_t kGroups = 20 * LagMeter::kSamplesMax;
  for (std::uint64_t tid = 1; tid <= kGroups; ++tid) meter.wrote(std::vector{record(tid, 1)});
  for (std::uint64_t behind = 0; behind < 1000; ++behind) {
    EXPECT_EQ(meter.after(Tid(kGroups - behind)), (Lag{behind, behind}));
  }
  for (std::uint64_t behind = 1000; behind < kGroups; behind += 997) {
    const Lag lag = meter.after(Tid(kGroups - behind));
    EXPECT_GE(lag.transactions, behind);
    EXPECT_LE(lag.transactions, kGroups);
  }
}

}  // namespace
}  // namespace zeolite::daemon
