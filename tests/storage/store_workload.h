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

// Tids are 1, 2, 3...; every sixth is a pack record, any other writes one object.
[[nodiscard]] inline bool is_workload_pack(std::uint64_t tid) { return tid % 6 == 0; }
[[nodiscard]] inline std::uint64_t workload_oid(std::uint64_t tid) { return tid % kWorkloadOids; }

// The newest write of the object before `tid`, which is one, too; 0 when there is none.
[[nodiscard]] inline std::uint64_t workload_previous(std::uint64_t tid) {
  do {
    if (tid <= kWorkloadOids) return 0;
    tid -= kWorkloadOids;
  } while (is_workload_pack(tid));
  return tid;
}

// Of the last pack record at or below `last`; 0 when there is none.
[[nodiscard]] inline std::uint64_t workload_pack(std::uint64_t last) { return last - last % 6; }
[[nodiscard]] inline std::uint64_t workload_horizon(std::uint64_t last) {
  return workload_pack(last) == 0 ? 0 : workload_pack(last) - 2;
}

// Whether the sweep for `horizon` removes the write at `tid`: there is a newer one below.
[[nodiscard]] inline bool is_packed_away(std::uint64_t tid, std::uint64_t horizon) {
  for (std::uint64_t newer = tid + kWorkloadOids; newer <= horizon; newer += kWorkloadOids) {
    if (!is_workload_pack(newer)) return true;
  }
  return false;
}

// Up to about 2,000 bytes.
[[nodiscard]] inline TransactionRecord workload_record(std::uint64_t tid) {
  if (is_workload_pack(tid)) return record(tid, RecordKind::pack).pack(workload_horizon(tid));
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

// Does what the newest pack record asks for, as far as it is not done: in several small batches.
[[nodiscard]] inline Result<> sweep_workload(ObjectStore& store) {
  const PackState pack = store.pack_state();
  if (pack.swept) return {};
  Oid from(0);
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<StoredRevision> page, store.revisions_from(from, 3));
    if (page.empty()) break;
    std::vector<RevisionKey> keys;
    for (const StoredRevision& revision : page) {
      if (is_packed_away(revision.key.tid.value(), pack.horizon.value())) {
        keys.push_back(revision.key);
      }
    }
    RETURN_IF_ERROR(store.remove_revisions(keys));
    from = page.back().key.oid.next();
  }
  return store.mark_swept(pack.record);
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
  if (!is_packed_away(tid, workload_horizon(last))) {
    EXPECT_TRUE(is_there) << tid << " is lost";
  } else if (store.pack_state().swept) {
    EXPECT_FALSE(is_there) << tid << " was removed, and is back";
  }
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
  EXPECT_EQ(store.last_transaction(), Tid(is_workload_pack(last) && last > 0 ? last - 1 : last));
  EXPECT_EQ(store.oid_mark(), Oid(last == 0 ? 0 : std::min(last + 1, kWorkloadOids)));
  const PackState pack = store.pack_state();
  EXPECT_EQ(pack.record, Tid(workload_pack(last)));
  EXPECT_EQ(pack.horizon, Tid(workload_horizon(last)));
}

// The store holds the workload up to some group's end, at least to `acknowledged`, whole and in
// order; what was interrupted can be finished, and it can be appended to.
inline void expect_workload(ObjectStore& store, std::uint64_t acknowledged) {
  const std::uint64_t last = store.last_position().tid.value();
  EXPECT_GE(last, acknowledged) << "an acknowledged transaction is lost";
  EXPECT_TRUE(ends_workload_group(last)) << "half a group is stored: " << last;
  expect_workload_marks(store);
  for (int round = 0; round < 2; ++round) {
    const auto log = store.read_log(kNoTid, kMaxTid, {.entries = 1'000'000, .bytes = 1 << 30});
    ASSERT_TRUE(log) << log.error().to_string();
    ASSERT_EQ(log->size(), last);
    for (std::uint64_t tid = 1; tid <= last; ++tid) {
      const LogEntry& entry = (*log)[tid - 1];
      ASSERT_EQ(entry.position.tid, Tid(tid));
      if (!is_workload_pack(tid)) expect_workload_write(store, entry, last);
    }
    const auto swept = sweep_workload(store);
    ASSERT_TRUE(swept) << swept.error().to_string();
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
