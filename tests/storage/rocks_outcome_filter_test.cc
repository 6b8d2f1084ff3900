#include "storage/rocks_outcome_filter.h"

#include <gtest/gtest.h>

#include "model/tid_time.h"
#include "storage/key_encoding.h"
#include "storage/record_codec.h"
#include "storage/rocks_database.h"
#include "storage/store_builders.h"

namespace zeolite::storage::testing {
namespace {

TEST(OutcomeFilter, DropsWhatIsAtOrBelowTheHorizonOnly) {
  const auto horizon = std::make_shared<std::atomic<std::uint64_t>>(10);
  OutcomeFilterFactory factory(horizon);
  const auto filter = factory.CreateCompactionFilter({});
  const auto drops = [&filter](Tid tid) {
    const std::string value = encode_outcome(Outcome{Outcome::Kind::committed, tid});
    return filter->Filter(0, "key", value, nullptr, nullptr);
  };
  EXPECT_TRUE(drops(Tid(9)));
  EXPECT_TRUE(drops(Tid(10)));
  EXPECT_FALSE(drops(Tid(11)));
  EXPECT_FALSE(filter->Filter(0, "key", "damaged", nullptr, nullptr));
}

TEST(OutcomeFilter, CompactionForgetsOldOutcomes) {
  const TemporaryDirectory directory;
  RocksStoreOptions options;
  options.directory = directory.path() / "db";
  options.reserve_bytes = 0;
  options.wal_file_bytes = 0;
  options.outcome_retention = std::chrono::hours(1);
  const std::int64_t start = 1'700'000'000'000'000;
  const auto append = [&options, start](std::int64_t hours) {
    const auto store = RocksObjectStore::open(options).value();
    const Tid tid = tid_from_time(WallTime{start + hours * 3'600'000'000});
    const std::vector<TransactionRecord> group = {
        record(tid.value()).commit(1, static_cast<std::uint64_t>(hours))};
    EXPECT_TRUE(store->append(group));
    EXPECT_TRUE(store->flush());
    EXPECT_TRUE(store->compact());
  };
  append(0);
  append(5);
  const auto raw =
      RocksDatabase::open(options, options.directory / "records", false, [](std::uint64_t) {
        return false;
      }).value();
  std::string value;
  const auto find = [&raw, &value](std::uint64_t number) {
    const auto key = outcome_key(RecordBuilder::commit_id(1, number));
    return raw->db().Get({}, raw->outcomes(), to_slice(key.view()), &value);
  };
  EXPECT_TRUE(find(0).IsNotFound());
  EXPECT_TRUE(find(5).ok());
}

}  // namespace
}  // namespace zeolite::storage::testing
