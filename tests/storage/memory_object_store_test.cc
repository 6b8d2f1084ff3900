#include "storage/memory_object_store.h"

#include <gtest/gtest.h>

#include "storage/store_builders.h"

// What is not in the contract that object_store_test.cc runs on it.
namespace zeolite::storage::testing {
namespace {

TEST(MemoryObjectStore, OutOfSpaceRefusesUntilToldOtherwise) {
  MemoryObjectStore store;
  const std::vector<TransactionRecord> group = {record(1).data(1, "a")};
  store.set_out_of_space(true);
  EXPECT_EQ(store.append(group).error().code, ErrorCode::out_of_space);
  EXPECT_EQ(store.check_space().error().code, ErrorCode::out_of_space);
  store.set_out_of_space(false);
  EXPECT_TRUE(store.check_space());
  EXPECT_TRUE(store.append(group));
}

TEST(MemoryObjectStore, BrokenAppendsFailForGoodAndReadsGoOn) {
  MemoryObjectStore store;
  const std::vector<TransactionRecord> first = {record(1).data(1, "a")};
  const std::vector<TransactionRecord> second = {record(2).data(1, "b", 1)};
  ASSERT_TRUE(store.append(first));
  store.break_appends();
  EXPECT_EQ(store.append(second).error().code, ErrorCode::io_error);
  EXPECT_EQ(store.append(second).error().code, ErrorCode::io_error);
  EXPECT_EQ(store.load_before(Oid(1), kMaxTid, kMaxTid, ReadTier::disk)->data.view(), "a");
}

TEST(MemoryObjectStore, ClusterIdIsTheGivenOne) {
  MemoryObjectStore::Options options;
  options.cluster_id.fill(3);
  EXPECT_EQ(MemoryObjectStore(options).cluster_id(), options.cluster_id);
}

}  // namespace
}  // namespace zeolite::storage::testing
