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

inline constexpr std::uint64_t kWorkloadOids = 5;

// Tids are 1, 2, 3...; every seventh is a pack record, and the two after it remove what that
// allows: first the odd tids, then the rest. Any other writes one object.
inline constexpr std::uint64_t kWorkloadPeriod = 7;
[[nodiscard]] inline bool is_workload_pack(std::uint64_t tid) { return tid % kWorkloadPeriod == 0; }
[[nodiscard]] inline bool is_workload_write(std::uint64_t tid) {
  return tid < kWorkloadPeriod ? tid > 0 : tid % kWorkloadPeriod > 2;
}
[[nodiscard]] inline std::uint64_t workload_oid(std::uint64_t tid) { return tid % kWorkloadOids; }

// The newest write of the object before `tid`, which is one, too; 0 when there is none.
[[nodiscard]] inline std::uint64_t workload_previous(std::uint64_t tid) {
  do {
    if (tid <= kWorkloadOids) return 0;
    tid -= kWorkloadOids;
  } while (!is_workload_write(tid));
  return tid;
}

// Of the last pack record at or below `last`; 0 when there is none.
[[nodiscard]] inline std::uint64_t workload_pack(std::uint64_t last) {
  return last - last % kWorkloadPeriod;
}
[[nodiscard]] inline std::uint64_t workload_horizon(std::uint64_t last) {
  return workload_pack(last) == 0 ? 0 : workload_pack(last) - 2;
}

// Whether a pack to `horizon` removes the write at `tid`: there is a newer one below.
[[nodiscard]] inline bool is_packed_away(std::uint64_t tid, std::uint64_t horizon) {
  for (std::uint64_t newer = tid + kWorkloadOids; newer <= horizon; newer += kWorkloadOids) {
    if (is_workload_write(newer)) return true;
  }
  return false;
}

// The removal that names the write at `tid`, of those for the pack record `pack`.
[[nodiscard]] inline std::uint64_t workload_removal(std::uint64_t tid, std::uint64_t pack) {
  return pack + (tid % 2 == 1 ? 1 : 2);
}

// Whether the write at `tid` is gone from a log that ends at `last`.
[[nodiscard]] inline bool is_removed(std::uint64_t tid, std::uint64_t last) {
  for (std::uint64_t pack = kWorkloadPeriod; workload_removal(tid, pack) <= last;
       pack += kWorkloadPeriod) {
    if (is_packed_away(tid, workload_horizon(pack))) return true;
  }
  return false;
}

[[nodiscard]] inline TransactionRecord workload_removal_record(std::uint64_t tid) {
  std::vector<RevisionKey> keys;
  for (std::uint64_t old = 1; old <= workload_horizon(tid); ++old) {
    const bool goes = is_workload_write(old) && !is_removed(old, tid - 1) && is_removed(old, tid);
    if (goes) keys.push_back(key(workload_oid(old), old));
  }
  return removal(tid, workload_pack(tid), std::move(keys), tid == workload_pack(tid) + 2);
}

// Up to about 2,000 bytes.
[[nodiscard]] inline TransactionRecord workload_record(std::uint64_t tid) {
  if (is_workload_pack(tid)) return record(tid, RecordKind::pack).pack(workload_horizon(tid));
  if (!is_workload_write(tid)) return workload_removal_record(tid);
  std::string data = std::to_string(tid) + ":";
  // Hard to compress, so that tables and log fill up.
  std::uint64_t state = tid;
  const std::size_t size = 40 + (tid * 379) % 2000;
  while (data.size() < size) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    data.push_back(static_cast<char>(state >> 56));
  }
  return record(tid).commit(5, tid).data(workload_oid(tid), std::move(data),
                                         workload_previous(tid));
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

// The write at `tid` is there as it must be, for a log that ends at `last`.
inline void expect_workload_write(const ObjectStore& store, const LogEntry& entry,
                                  std::uint64_t last) {
  const std::uint64_t tid = entry.position.tid.value();
  const TransactionRecord wanted = workload_record(tid);
  const Result<TransactionRecord> found = store.read_surviving(entry);
  ASSERT_TRUE(found) << found.error().to_string();
  const bool is_there = !found->writes.empty();
  EXPECT_EQ(store.present(entry).value(), std::vector<bool>{is_there});
  EXPECT_EQ(is_there, !is_removed(tid, last)) << tid;
  EXPECT_EQ(entry.objects[0].previous, wanted.writes[0].previous);
  if (is_there) {
    EXPECT_EQ(found->writes[0].oid, wanted.writes[0].oid);
    EXPECT_EQ(found->writes[0].data, wanted.writes[0].data) << "of " << tid;
  }
  EXPECT_EQ(store.find_outcome(wanted.commit_id).value(),
            (Outcome{Outcome::Kind::committed, Tid(tid)}));
}

inline void expect_workload_marks(const ObjectStore& store) {
  const std::uint64_t last = store.last_position().tid.value();
  std::uint64_t transaction = last;
  while (transaction > 0 && !is_workload_write(transaction)) --transaction;
  EXPECT_EQ(store.last_transaction(), Tid(transaction));
  EXPECT_EQ(store.oid_mark(), Oid(last == 0 ? 0 : std::min(last + 1, kWorkloadOids)));
  const std::uint64_t pack = workload_pack(last);
  EXPECT_EQ(store.pack_state(), (PackState{Tid(workload_horizon(last)), Tid(pack), false,
                                           pack == 0 || last >= pack + 2}));
}

// The store holds the workload up to some group's end, at least to `acknowledged`, whole and in
// order, and it can be appended to.
inline void expect_workload(ObjectStore& store, std::uint64_t acknowledged) {
  const std::uint64_t last = store.last_position().tid.value();
  EXPECT_GE(last, acknowledged) << "an acknowledged transaction is lost";
  EXPECT_TRUE(ends_workload_group(last)) << "half a group is stored: " << last;
  expect_workload_marks(store);
  const auto log = store.read_log(kNoTid, kMaxTid, {.entries = 1'000'000, .bytes = 1 << 30});
  ASSERT_TRUE(log) << log.error().to_string();
  ASSERT_EQ(log->size(), last);
  for (std::uint64_t tid = 1; tid <= last; ++tid) {
    const LogEntry& entry = (*log)[tid - 1];
    ASSERT_EQ(entry.position.tid, Tid(tid));
    if (is_workload_write(tid)) expect_workload_write(store, entry, last);
    EXPECT_EQ(entry.removed, workload_record(tid).removed);
  }
  for (std::uint64_t oid = 0; oid < std::min(last, kWorkloadOids); ++oid) {
    const auto loaded = store.load_before(Oid(oid), kMaxTid, Tid(last), ReadTier::disk);
    ASSERT_TRUE(loaded) << loaded.error().to_string();
    if (loaded->status != LoadStatus::found) continue;
    EXPECT_EQ(loaded->data, workload_record(loaded->tid.value()).writes[0].data);
    EXPECT_FALSE(is_packed_away(loaded->tid.value(), last)) << "not the newest";
  }
  const auto appended = store.append(workload_group(last));
  EXPECT_TRUE(appended) << appended.error().to_string();
}

}  // namespace zeolite::storage::testing
