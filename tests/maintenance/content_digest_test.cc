#include "maintenance/content_digest.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

namespace zeolite::maintenance {
namespace {

TransactionRecord sample() {
  TransactionRecord record;
  record.tid = Tid(100);
  record.metadata = {"user", "description", "extension"};
  record.writes.push_back({Oid(1), kNoTid, RevisionKind::data, Bytes::copy_of("one"), kNoTid});
  record.writes.push_back({Oid(2), Tid(9), RevisionKind::back_pointer, Bytes(), Tid(5)});
  return record;
}

std::string digest_of(const TransactionRecord& record) {
  ContentDigest digest;
  digest.add(record);
  return digest.finish();
}

TEST(ContentDigest, EqualContentHasEqualDigest) {
  EXPECT_EQ(digest_of(sample()), digest_of(sample()));
  EXPECT_EQ(digest_of(sample()).size(), 32U);
}

TEST(ContentDigest, EveryPartOfTheContentCounts) {
  using Change = std::function<void(TransactionRecord&)>;
  const std::vector<Change> changes = {
      [](TransactionRecord&) {},
      [](TransactionRecord& r) { r.tid = Tid(101); },
      [](TransactionRecord& r) { r.status = 'p'; },
      [](TransactionRecord& r) { r.metadata = {"userd", "escription", "extension"}; },
      [](TransactionRecord& r) { r.metadata.extension = ""; },
      [](TransactionRecord& r) { r.writes[0].oid = Oid(7); },
      [](TransactionRecord& r) { r.writes[0].data = Bytes::copy_of("ona"); },
      [](TransactionRecord& r) { r.writes[1].back = Tid(6); },
      [](TransactionRecord& r) { r.writes[1].kind = RevisionKind::deletion; },
      [](TransactionRecord& r) { r.writes[0].blob = BlobInfo{5, ChainHash{1}}; },
      [](TransactionRecord& r) { r.writes[0].blob = BlobInfo{5, ChainHash{2}}; },
      [](TransactionRecord& r) { r.writes[0].blob = BlobInfo{6, ChainHash{1}}; },
      [](TransactionRecord& r) { r.writes.pop_back(); }};
  std::set<std::string> digests;
  for (const Change& change : changes) {
    TransactionRecord record = sample();
    change(record);
    digests.insert(digest_of(record));
  }
  EXPECT_EQ(digests.size(), changes.size());
}

TEST(ContentDigest, WhatClientsCannotReadDoesNotCount) {
  TransactionRecord record = sample();
  record.epoch = Epoch(7);
  record.commit_id.number = 3;
  record.commit_id.session.fill(1);
  record.writes[0].previous = Tid(50);
  std::swap(record.writes[0], record.writes[1]);
  EXPECT_EQ(digest_of(record), digest_of(sample()));
}

TEST(ContentDigest, OrderOfTransactionsCounts) {
  TransactionRecord other = sample();
  other.tid = Tid(200);
  ContentDigest forward;
  forward.add(sample());
  forward.add(other);
  ContentDigest backward;
  backward.add(other);
  backward.add(sample());
  EXPECT_NE(forward.finish(), backward.finish());
}

}  // namespace
}  // namespace zeolite::maintenance
