#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "storage/rocks_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::storage::testing {

// A directory for a RocksObjectStore, which the test opens as often as it likes.
class RocksStoreFixture : public ::testing::Test {
 protected:
  RocksStoreFixture() {
    options_.directory = directory_.path() / "db";
    options_.reserve_bytes = 0;
    options_.wal_file_bytes = 0;
    // Room enough that nothing is pushed out when memtables are counted against it.
    options_.block_cache_bytes = 64 << 20;
  }
  // Null, and the test has failed, when it does not open.
  std::unique_ptr<RocksObjectStore> open() {
    auto store = RocksObjectStore::open(options_);
    EXPECT_TRUE(store) << store.error().to_string();
    return store ? std::move(*store) : nullptr;
  }

  TemporaryDirectory directory_;
  RocksStoreOptions options_;
};

}  // namespace zeolite::storage::testing
