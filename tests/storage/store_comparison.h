#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "storage/object_store.h"

namespace zeolite::storage::testing {

inline std::vector<LogEntry> whole_log(const ObjectStore& store) {
  const auto log = store.read_log(kNoTid, kMaxTid, {.entries = 1'000'000, .bytes = 1 << 30});
  EXPECT_TRUE(log) << log.error().to_string();
  return log.value_or(std::vector<LogEntry>{});
}

inline std::vector<StoredRevision> all_revisions(const ObjectStore& store) {
  const auto found = store.revisions_from(Oid(0), 1'000'000);
  EXPECT_TRUE(found) << found.error().to_string();
  return found.value_or(std::vector<StoredRevision>{});
}

// Both tell the same of a commit, unless one of them has forgotten it.
inline void expect_same_outcome(const ObjectStore& store, const ObjectStore& wanted,
                                const CommitId& id) {
  const auto outcome = wanted.find_outcome(id).value();
  const auto found = store.find_outcome(id).value();
  if (!found && outcome && outcome->tid <= store.outcome_horizon()) return;
  if (!outcome && found && found->tid <= wanted.outcome_horizon()) return;
  EXPECT_EQ(found, outcome);
}

// `store` has the content of `wanted`: the log, every revision with its data, the outcomes and
// marks. Oids may have been handed out beyond, and more or fewer outcomes be forgotten.
inline void expect_same_content(const ObjectStore& store, const ObjectStore& wanted) {
  const std::vector<LogEntry> log = whole_log(wanted);
  ASSERT_EQ(store.last_position(), wanted.last_position());
  ASSERT_EQ(whole_log(store), log);
  EXPECT_EQ(all_revisions(store), all_revisions(wanted));
  for (const LogEntry& entry : log) {
    const auto kept = wanted.read_surviving(entry);
    const auto found = store.read_surviving(entry);
    ASSERT_TRUE(kept && found) << entry.position.tid.value();
    ASSERT_EQ(found->writes.size(), kept->writes.size());
    for (std::size_t i = 0; i < found->writes.size(); ++i) {
      EXPECT_EQ(found->writes[i].oid, kept->writes[i].oid);
      EXPECT_EQ(found->writes[i].data, kept->writes[i].data);
    }
    if (!entry.commit_id.empty()) expect_same_outcome(store, wanted, entry.commit_id);
  }
  EXPECT_EQ(store.last_transaction(), wanted.last_transaction());
  EXPECT_EQ(store.pack_state(), wanted.pack_state());
  EXPECT_GE(store.oid_mark(), wanted.oid_mark());
  EXPECT_LE(store.outcome_horizon(), wanted.last_position().tid);
}

}  // namespace zeolite::storage::testing
