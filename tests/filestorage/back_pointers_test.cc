#include "filestorage/back_pointers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "filestorage/sample_file.h"

namespace zeolite::filestorage {
namespace {

using testing::HasSubstr;

TEST(BackPointers, BackPointerGivesTheTidOfTheData) {
  DataFsBuilder file;
  const auto one = file.commit(kT1, kA, "one");
  file.commit(kT2, kA, "two");
  file.begin(kT3);
  file.back(kA, one);
  file.end();
  const auto all = read(file.bytes()).transactions;
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[2].writes[0].kind, RevisionKind::back_pointer);
  EXPECT_EQ(all[2].writes[0].back, kT1);
  EXPECT_TRUE(all[2].writes[0].data.empty());
}

TEST(BackPointers, ChainOfBackPointersLeadsToTheData) {
  DataFsBuilder file;
  const auto one = file.commit(kT1, kA, "one");
  file.begin(kT2);
  const auto two = file.back(kA, one);
  file.end();
  file.begin(kT3);
  const auto three = file.back(kA, two);
  file.end();
  file.begin(kT4);
  file.back(kA, three);
  file.end();
  const auto all = read(file.bytes()).transactions;
  ASSERT_EQ(all.size(), 4U);
  for (const std::size_t i : {1U, 2U, 3U}) {
    EXPECT_EQ(all[i].writes[0].kind, RevisionKind::back_pointer);
    EXPECT_EQ(all[i].writes[0].back, kT1);
  }
  EXPECT_TRUE(all[1].writes[0].via.is_zero());
  EXPECT_EQ(all[2].writes[0].via, kT2);
  EXPECT_EQ(all[3].writes[0].via, kT3);
}

TEST(BackPointers, ViaIsOnlyWhatTheReaderGave) {
  DataFsBuilder file;
  const auto one = file.commit(kT1, kA, "one");
  file.begin(kT2, kStatusUndone);
  const auto undone = file.back(kA, one);
  file.end();
  file.begin(kT3);
  file.back(kA, undone);
  file.end();
  const auto all = read(file.bytes()).transactions;
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].writes[0].back, kT1);
  EXPECT_TRUE(all[1].writes[0].via.is_zero());
}

TEST(BackPointers, ABackPointerToADeletionIsADeletionViaIt) {
  DataFsBuilder file;
  file.commit(kT1, kA, "one");
  file.begin(kT2);
  const auto gone = file.gone(kA);
  file.end();
  file.begin(kT3);
  file.back(kA, gone);
  file.end();
  const auto all = read(file.bytes()).transactions;
  ASSERT_EQ(all.size(), 3U);
  EXPECT_TRUE(all[1].writes[0].via.is_zero());
  EXPECT_EQ(all[2].writes[0].kind, RevisionKind::deletion);
  EXPECT_EQ(all[2].writes[0].via, kT2);
}

TEST(BackPointers, BackPointerMayLeadIntoAPackedTransaction) {
  DataFsBuilder file;
  file.begin(kT1, 'p');
  const auto one = file.data(kA, "one");
  file.end();
  file.begin(kT3);
  file.back(kA, one);
  file.end();
  EXPECT_EQ(read(file.bytes()).transactions.at(1).writes[0].back, kT1);
}

TEST(BackPointers, UndoneCreationIsADeletion) {
  DataFsBuilder file;
  file.commit(kT1, kA, "one");
  file.begin(kT2);
  const auto gone = file.gone(kA);
  file.end();
  file.begin(kT3);
  file.back(kA, gone);
  file.end();
  const auto all = read(file.bytes()).transactions;
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].writes[0].kind, RevisionKind::deletion);
  EXPECT_EQ(all[2].writes[0].kind, RevisionKind::deletion) << "a way back to a deletion is one";
}

TEST(BackPointers, BackPointerIntoAnUndoneTransactionGivesTheData) {
  DataFsBuilder file;
  file.begin(kT1, 'u');
  const auto one = file.data(kA, "one");
  file.end();
  file.begin(kT2);
  file.back(kA, one);
  file.end();
  const auto all = read(file.bytes()).transactions;
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].writes[0].kind, RevisionKind::data);
  EXPECT_EQ(all[0].writes[0].data.view(), "one");
}

TEST(BackPointers, BackPointerWithinATransactionGivesTheData) {
  DataFsBuilder file;
  file.begin(kT1);
  const auto first = file.data(kA, "first");
  file.back(kA, first);
  file.end();
  const auto all = read(file.bytes()).transactions;
  ASSERT_EQ(all.at(0).writes.size(), 1U);
  EXPECT_EQ(all[0].writes[0].data.view(), "first");
}

TEST(BackPointers, BackPointerToAnotherObjectIsDamage) {
  Sample sample;
  sample.file.set_u64(sample.third_a + 42, sample.first_b);
  const Read result = read(sample.file.bytes());
  ASSERT_TRUE(result.error.has_value());
  EXPECT_THAT(result.error->detail, HasSubstr("no record of that object (the oid there is"));
}

TEST(BackPointers, BackPointerIntoDataThatLooksLikeARecordIsDamage) {
  DataFsBuilder inner;
  inner.bytes().clear();
  inner.begin(kT1);
  const auto inside = inner.data(kA, "false");
  inner.end();
  DataFsBuilder file;
  const auto outer = file.commit(kT1, kB, inner.bytes());
  file.begin(kT2);
  file.back(kA, outer + 42 + inside);
  file.end();
  const Read result = read(file.bytes());
  ASSERT_TRUE(result.error.has_value());
  EXPECT_EQ(result.error->code, ErrorCode::corruption);
}

TEST(BackPointers, BackPointerIntoDataOfItsOwnTransactionIsDamage) {
  DataFsBuilder file;
  const auto transaction = file.begin(kT1);
  std::string lure;
  put_oid(lure, kA);
  put_tid(lure, kT1);
  put_u64(lure, 0);
  put_u64(lure, transaction);
  put_u16(lure, 0);
  put_u64(lure, 3);
  lure += "lie";
  const auto at = file.data(kB, lure);
  file.back(kA, at + kRecordHeaderBytes);
  file.end();
  const Read result = read(file.bytes());
  ASSERT_TRUE(result.error.has_value());
  EXPECT_THAT(result.error->detail, HasSubstr("where no record begins"));
}

TEST(BackPointers, EndlessChainOfBackPointersIsDamage) {
  DataFsBuilder file;
  std::uint64_t last = file.commit(Tid(1), kA, "one");
  std::uint64_t tid = 2;
  for (; tid < 10'010; ++tid) {
    file.begin(Tid(tid), 'u');  // skipped, so that only one chain has to be followed
    last = file.back(kA, last);
    file.end();
  }
  file.begin(Tid(tid));
  file.back(kA, last);
  file.end();
  const Read result = read(file.bytes());
  ASSERT_TRUE(result.error.has_value());
  EXPECT_THAT(result.error->detail, HasSubstr("chain of more than"));
}

}  // namespace
}  // namespace zeolite::filestorage
