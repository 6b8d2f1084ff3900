#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/object_store.h"
#include "storage/store_builders.h"

namespace zeolite::storage::testing {

// A workload that is known in advance: the record of each tid, and the groups they are appended
// in. What a killed process left behind can be judged by it without any other record.

inline constexpr std::uint64_t kWorkloadOids = 17;

// Tids are 1, 2, 3...; tid t writes one object, of up to about 2,000 bytes.
[[nodiscard]] inline TransactionRecord workload_record(std::uint64_t tid) {
  const std::uint64_t previous = tid > kWorkloadOids ? tid - kWorkloadOids : 0;
  std::string data = std::to_string(tid) + ":";
  // Hard to compress, so that tables and log fill up.
  std::uint64_t state = tid;
  const std::size_t size = 40 + (tid * 379) % 2000;
  while (data.size() < size) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    data.push_back(static_cast<char>(state >> 56));
  }
  return record(tid).commit(5, tid).data(tid % kWorkloadOids, std::move(data), previous);
}

// The group that follows `last`: one to three records.
[[nodiscard]] inline std::vector<TransactionRecord> workload_group(std::uint64_t last) {
  std::vector<TransactionRecord> group;
  for (std::uint64_t i = 0; i <= last % 3; ++i) group.push_back(workload_record(last + 1 + i));
  return group;
}

// Whether `tid` ends a group.
[[nodiscard]] inline bool ends_workload_group(std::uint64_t tid) {
  std::uint64_t last = 0;
  while (last < tid) last += 1 + last % 3;
  return last == tid;
}

inline void expect_workload_record(const ObjectStore& store, const LogEntry& entry) {
  const std::uint64_t tid = entry.position.tid.value();
  const TransactionRecord wanted = workload_record(tid);
  const Result<TransactionRecord> found = store.read_record(entry);
  ASSERT_TRUE(found) << found.error().to_string();
  ASSERT_EQ(found->writes.size(), 1U);
  EXPECT_EQ(found->writes[0].oid, wanted.writes[0].oid);
  EXPECT_EQ(found->writes[0].previous, wanted.writes[0].previous);
  EXPECT_EQ(found->writes[0].data, wanted.writes[0].data) << "of " << tid;
  EXPECT_EQ(store.find_outcome(wanted.commit_id).value(),
            (Outcome{Outcome::Kind::committed, Tid(tid)}));
}

// The store holds the workload up to some group's end, at least to `acknowledged`, whole and in
// order; and it can be appended to.
inline void expect_workload(ObjectStore& store, std::uint64_t acknowledged) {
  const std::uint64_t last = store.last_position().tid.value();
  EXPECT_GE(last, acknowledged) << "an acknowledged transaction is lost";
  EXPECT_TRUE(ends_workload_group(last)) << "half a group is stored: " << last;
  EXPECT_EQ(store.last_transaction(), Tid(last));
  EXPECT_EQ(store.oid_mark(), Oid(last == 0 ? 0 : std::min(last + 1, kWorkloadOids)));
  const auto log = store.read_log(kNoTid, kMaxTid, {.entries = 1'000'000, .bytes = 1 << 30});
  ASSERT_TRUE(log) << log.error().to_string();
  ASSERT_EQ(log->size(), last);
  for (std::uint64_t tid = 1; tid <= last; ++tid) {
    ASSERT_EQ((*log)[tid - 1].position.tid, Tid(tid));
    expect_workload_record(store, (*log)[tid - 1]);
  }
  for (std::uint64_t oid = 0; oid < std::min(last, kWorkloadOids); ++oid) {
    const auto loaded = store.load_before(Oid(oid), kMaxTid, Tid(last), ReadTier::disk);
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    if (loaded->status != LoadStatus::found) continue;
    EXPECT_EQ(loaded->data, workload_record(loaded->tid.value()).writes[0].data);
    EXPECT_GT(loaded->tid.value() + kWorkloadOids, last);
  }
  const auto appended = store.append(workload_group(last));
  EXPECT_TRUE(appended) << appended.error().to_string();
}

}  // namespace zeolite::storage::testing
