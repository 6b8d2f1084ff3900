#include "storage/log_search.h"

#include <algorithm>
#include <random>

#include "storage/object_store_contract.h"

namespace zeolite::storage::testing {
namespace {

using Kind = HistoryMatch::Kind;

template <typename Maker>
class LogSearch : public ObjectStoreContract<Maker> {
 protected:
  Position at(std::uint64_t tid) { return this->entry(tid).position; }
  Position last_in(std::uint64_t epoch) {
    return last_position_in(*this->store_, Epoch(epoch)).value();
  }
  HistoryMatch compare(const Position& candidate) {
    return compare_history(*this->store_, candidate).value();
  }
};

TYPED_TEST_SUITE(LogSearch, StoreMakers);

TYPED_TEST(LogSearch, EmptyLogHasNoPositions) {
  EXPECT_EQ(this->last_in(0), Position{});
  EXPECT_EQ(this->last_in(~std::uint64_t{0}), Position{});
  EXPECT_FALSE(find_position(*this->store_, Tid(1)).value());
  EXPECT_TRUE(complete_after(*this->store_, Position{}));
  EXPECT_EQ(this->compare(Position{}), HistoryMatch{});
  const Position elsewhere{Epoch(1), Tid(1), {1}};
  EXPECT_EQ(this->compare(elsewhere), HistoryMatch{.kind = Kind::ancestor});
}

TYPED_TEST(LogSearch, EndsOfEpochsAreFound) {
  this->append({record(10).epoch(2), record(20).epoch(2), record(21).epoch(5)});
  this->append({record(22).epoch(5), record(kMaxTid.value()).epoch(9)});
  EXPECT_EQ(this->last_in(0), Position{});
  EXPECT_EQ(this->last_in(1), Position{});
  for (const std::uint64_t epoch : {2U, 3U, 4U}) EXPECT_EQ(this->last_in(epoch), this->at(20));
  for (const std::uint64_t epoch : {5U, 8U}) EXPECT_EQ(this->last_in(epoch), this->at(22));
  EXPECT_EQ(this->last_in(9), this->at(kMaxTid.value()));
  EXPECT_EQ(find_position(*this->store_, Tid(21)).value(), this->at(21));
  EXPECT_FALSE(find_position(*this->store_, Tid(19)).value());
}

TYPED_TEST(LogSearch, NothingIsAddedRightAfterAnEntryWhoseReignGoesOn) {
  this->append({record(1).epoch(2), record(20).epoch(2), record(30).epoch(2)});
  this->append({record(40).epoch(3), record(41).epoch(3), record(50).epoch(3)});
  const auto adds_nothing_at = [this](std::uint64_t tid, Tid line) {
    return adds_nothing(*this->store_, Tid(tid), line).value();
  };
  for (const std::uint64_t tid : {2U, 21U, 42U}) EXPECT_TRUE(adds_nothing_at(tid, kMaxTid)) << tid;
  EXPECT_FALSE(adds_nothing_at(22, kMaxTid)) << "something may lie between";
  EXPECT_FALSE(adds_nothing_at(31, kMaxTid)) << "that reign may have gone on elsewhere";
  EXPECT_FALSE(adds_nothing_at(41, kMaxTid)) << "it is an entry";
  this->append({record(51, RecordKind::epoch).epoch(4), record(60).epoch(4)});
  EXPECT_FALSE(adds_nothing_at(52, kMaxTid)) << "that reign may have begun twice";
  EXPECT_FALSE(adds_nothing_at(61, kMaxTid)) << "nothing follows";
  EXPECT_FALSE(adds_nothing_at(21, Tid(29))) << "what follows is not visible";
  for (const std::uint64_t tid : {0U, 1U}) EXPECT_FALSE(adds_nothing_at(tid, kMaxTid)) << tid;
}

TYPED_TEST(LogSearch, EveryPositionOfTheLogIsTheSame) {
  this->append({record(10), record(20).epoch(3)});
  EXPECT_EQ(this->compare(Position{}), HistoryMatch{});
  EXPECT_EQ(this->compare(this->at(10)), HistoryMatch{});
  EXPECT_EQ(this->compare(this->at(20)), HistoryMatch{});
}

TYPED_TEST(LogSearch, OtherPositionsAreAskedForAsTheProtocolSays) {
  this->append({record(10).epoch(2), record(20).epoch(2), record(30).epoch(4)});
  const auto elsewhere = [](std::uint64_t epoch, std::uint64_t tid) {
    return Position{Epoch(epoch), Tid(tid), {7}};
  };
  const auto probe = [](std::uint64_t epoch) {
    return HistoryMatch{.kind = Kind::probe, .probe = Epoch(epoch)};
  };
  const auto ancestor = [](const Position& position) {
    return HistoryMatch{.kind = Kind::ancestor, .ancestor = position};
  };
  EXPECT_EQ(this->compare(elsewhere(2, 25)), ancestor(this->at(20))) << "it went on after we did";
  EXPECT_EQ(this->compare(elsewhere(4, 31)), ancestor(this->at(30)));
  EXPECT_EQ(this->compare(elsewhere(5, 31)), probe(4)) << "its epoch is unknown here";
  EXPECT_EQ(this->compare(elsewhere(3, 31)), probe(2));
  EXPECT_EQ(this->compare(elsewhere(4, 30)), probe(2)) << "another chain at a known tid";
  EXPECT_EQ(this->compare(elsewhere(4, 29)), probe(2)) << "missing here though it should be there";
  EXPECT_EQ(this->compare(elsewhere(2, 15)), ancestor(Position{})) << "nothing older is left";
  EXPECT_EQ(this->compare(elsewhere(1, 15)), ancestor(Position{}));
  EXPECT_EQ(this->compare(elsewhere(0, 15)), ancestor(Position{}));
}

TYPED_TEST(LogSearch, LogIsCompleteFromThePackHorizonOn) {
  this->append({record(10), record(20), record(30)});
  EXPECT_TRUE(complete_after(*this->store_, Position{}));
  this->append({record(31, RecordKind::pack).pack(20)});
  EXPECT_FALSE(complete_after(*this->store_, Position{}));
  EXPECT_FALSE(complete_after(*this->store_, this->at(10)));
  EXPECT_TRUE(complete_after(*this->store_, this->at(20)));
  EXPECT_TRUE(complete_after(*this->store_, this->at(31)));
}

TYPED_TEST(LogSearch, AStandbyWithoutAnythingIsCopiedALargeDatabase) {
  std::mt19937_64 random(1);
  std::string half(kCopyFromBytes / 2, '\0');  // that no compression makes smaller
  std::ranges::generate(half, [&] { return static_cast<char>(random()); });
  this->append({record(10).data(1, half)});
  EXPECT_FALSE(copy_is_quicker(*this->store_, Position{}));
  this->append({record(20).data(2, half)});
  EXPECT_TRUE(copy_is_quicker(*this->store_, Position{}));
  EXPECT_FALSE(copy_is_quicker(*this->store_, this->at(10))) << "it has a part already";
}

// Reigns that each go on from some place in the log of an earlier one.
std::vector<std::vector<TransactionRecord>> random_reigns(std::mt19937& random) {
  std::vector<std::vector<TransactionRecord>> logs(1);
  for (std::uint64_t epoch = 1; epoch <= 6; ++epoch) {
    std::vector<TransactionRecord> log = logs[random() % logs.size()];
    log.resize(random() % (log.size() + 1));
    std::uint64_t tid = log.empty() ? 0 : log.back().tid.value();
    for (std::size_t i = random() % 4; i < 4; ++i) {
      tid += 1 + random() % 3;
      // Told apart by the epoch alone: each epoch has one primary.
      log.push_back(record(tid).epoch(epoch).data(tid, "x"));
    }
    logs.push_back(std::move(log));
  }
  return logs;
}

void fill_with_part(ObjectStore& store, std::vector<TransactionRecord> log, std::mt19937& random) {
  log.resize(log.size() - random() % (log.size() + 1));
  ASSERT_TRUE(store.append(log));
}

// The newest position that both have, by looking at all.
Position common_position(const ObjectStore& one, const ObjectStore& other) {
  Position common;
  const std::vector<LogEntry> entries = one.read_log(kNoTid, kMaxTid, {}).value();
  for (const LogEntry& entry : entries) {
    if (find_position(other, entry.position.tid).value() == entry.position) common = entry.position;
  }
  return common;
}

// The same by asking `primary`, as a standby with `log` does.
Position ask_for_common_position(const ObjectStore& primary, const ObjectStore& log) {
  Position candidate = log.last_position();
  for (int round = 0; round < 20; ++round) {
    const HistoryMatch match = compare_history(primary, candidate).value();
    switch (match.kind) {
      case Kind::same:
        return candidate;
      case Kind::ancestor:
        if (match.ancestor == Position{}) return {};
        EXPECT_EQ(find_position(log, match.ancestor.tid).value(), match.ancestor);
        return match.ancestor;
      case Kind::probe:
        EXPECT_LT(match.probe, candidate.epoch);
        candidate = last_position_in(log, match.probe).value();
        break;
    }
  }
  ADD_FAILURE() << "asked for ever";
  return {};
}

TEST(LogSearch, AskingFindsTheNewestCommonPosition) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    SCOPED_TRACE(round);
    const auto logs = random_reigns(random);
    MemoryObjectStore primary;
    MemoryObjectStore standby;
    fill_with_part(primary, logs[random() % logs.size()], random);
    fill_with_part(standby, logs[random() % logs.size()], random);
    ASSERT_EQ(ask_for_common_position(primary, standby), common_position(primary, standby));
  }
}

TEST(LogSearch, EndsOfEpochsOfRandomLogsAreFound) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; ++round) {
    std::vector<TransactionRecord> log;
    std::uint64_t tid = 0;
    std::uint64_t epoch = random() % 2;
    while (log.size() < 20) {
      // Near and far apart, as tids of an import are.
      tid += 1 + (random() >> (8 + random() % 55));
      epoch += random() % 2;
      log.push_back(record(tid).epoch(epoch));
    }
    MemoryObjectStore store;
    ASSERT_TRUE(store.append(log));
    for (std::uint64_t max = 0; max <= epoch + 1; ++max) {
      const auto beyond = std::ranges::find_if(
          log, [max](const TransactionRecord& made) { return made.epoch > Epoch(max); });
      const Tid wanted = beyond == log.begin() ? kNoTid : std::prev(beyond)->tid;
      ASSERT_EQ(last_position_in(store, Epoch(max))->tid, wanted) << "epoch " << max;
    }
  }
}

}  // namespace
}  // namespace zeolite::storage::testing
