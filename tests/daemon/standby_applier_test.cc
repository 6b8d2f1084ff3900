#include "daemon/standby_applier.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/controlled_store.h"
#include "storage/log_tail.h"
#include "storage/memory_object_store.h"
#include "support/temporary_directory.h"

namespace zeolite::daemon {
namespace {

constexpr Epoch kEpoch{2};

TransactionRecord record(std::uint64_t tid) {
  TransactionRecord made;
  made.epoch = kEpoch;
  made.tid = Tid(tid);
  made.writes.push_back(
      {.oid = Oid(tid), .previous = kNoTid, .data = Bytes(std::string("record")), .back = kNoTid});
  return made;
}

TransactionRecord pack_record(std::uint64_t tid, std::uint64_t horizon) {
  TransactionRecord made;
  made.kind = RecordKind::pack;
  made.epoch = kEpoch;
  made.tid = Tid(tid);
  made.pack_horizon = Tid(horizon);
  return made;
}

// For the pack record right before it, which it completes: what object 1 was at first goes.
TransactionRecord removal_record(std::uint64_t tid) {
  TransactionRecord made;
  made.kind = RecordKind::removal;
  made.epoch = kEpoch;
  made.tid = Tid(tid);
  made.pack_record = Tid(tid - 1);
  made.pack_complete = true;
  made.removed = {{Oid(1), Tid(1)}};
  return made;
}

// A following engine on a store in memory, and what became of what it was given.
class StandbyApplierTest : public ::testing::Test {
 protected:
  StandbyApplierTest() {
    auto store = std::make_unique<storage::MemoryObjectStore>();
    store_ = store.get();
    StorageEngine::Options options;
    options.name = "main";
    options.leads = false;
    options.blobs = blobs::BlobDirectory::open({.path = directory_ / "blobs"}).value();
    engine_ = *StorageEngine::start(
        std::move(options), std::move(store), clock_, [](std::size_t) {}, [](const Error&) {});
    StandbyApplier::Events events;
    events.appended = [this](const Position& last) {
      const std::lock_guard lock(mutex_);
      ends_.push_back(last);
    };
    events.mismatched = [this](const Error& why) {
      const std::lock_guard lock(mutex_);
      mismatches_.push_back(why.detail);
    };
    events.failed = [](const Error& why) { ADD_FAILURE() << why.detail; };
    events.rolled_back = [this](Result<Position> end) { rolled_back_.set_value(std::move(end)); };
    applier_ = std::make_unique<StandbyApplier>(*engine_, std::move(events));
  }

  void append(const Position& previous, std::vector<TransactionRecord> records) {
    wire::ReplicaAppend group;
    group.epoch = kEpoch;
    group.previous = previous;
    group.records = std::move(records);
    applier_->append(std::move(group), {});
  }
  // All that was given is appended when this returns.
  Result<Position> rollback(const Position& to) {
    rolled_back_ = {};
    applier_->rollback(to, {.archive = [](const Position&) -> Result<> { return {}; }});
    return rolled_back_.get_future().get();
  }
  Position end() { return store_->last_position(); }
  void settle() { ASSERT_FALSE(rollback(Position{kEpoch, Tid(999), {}})); }

  testing::TemporaryDirectory directory_;
  SystemClock clock_;
  storage::MemoryObjectStore* store_ = nullptr;
  std::unique_ptr<StorageEngine> engine_;
  std::mutex mutex_;
  std::vector<Position> ends_;
  std::vector<std::string> mismatches_;
  std::promise<Result<Position>> rolled_back_;
  std::unique_ptr<StandbyApplier> applier_;
};

TEST_F(StandbyApplierTest, AppendsGroupsInOrderAndTellsTheEnd) {
  append({}, {record(1), record(2)});
  settle();
  append(end(), {record(3)});
  settle();
  ASSERT_EQ(ends_.size(), 2U);
  EXPECT_EQ(ends_[0].tid, Tid(2));
  EXPECT_EQ(ends_[1], end());
  EXPECT_EQ(applier_->queued_bytes(), 0U);
}

TEST_F(StandbyApplierTest, AGroupThatDoesNotFollowTheLogIsNotAppended) {
  append({}, {record(1)});
  settle();
  Position other = end();
  other.chain[0] ^= 1;  // the same transaction of another history
  append(other, {record(2)});
  settle();
  EXPECT_EQ(end().tid, Tid(1));
  EXPECT_EQ(mismatches_.size(), 1U);
}

TEST_F(StandbyApplierTest, WhatCannotBeInALogIsNotAppended) {
  append({}, {record(1), record(2), pack_record(3, 2)});
  settle();
  TransactionRecord other_pack = removal_record(5);
  TransactionRecord not_packed = removal_record(4);
  not_packed.removed = {{Oid(3), Tid(3)}};
  for (const TransactionRecord& wrong : {other_pack, not_packed, pack_record(4, 2)}) {
    append(end(), {wrong});
    settle();
    applier_->resume();
  }
  EXPECT_EQ(end().tid, Tid(3));
  EXPECT_EQ(mismatches_.size(), 3U);
}

// The upstream removes only what its own readers no longer look at; here they may be further
// behind.
TEST(StandbyApplier, RemovesNothingThatReadersMayStillLookAt) {
  auto control = std::make_shared<StoreControl>();
  StorageEngine* following = nullptr;
  std::vector<Tid> visible;  // when each part was appended
  control->while_appending = [&] { visible.push_back(following->visible()); };
  SystemClock clock;
  StorageEngine::Options options;
  options.name = "main";
  options.leads = false;
  const auto engine = *StorageEngine::start(
      std::move(options), std::make_unique<ControlledStore>(control), clock, [](std::size_t) {},
      [](const Error&) {});
  following = engine.get();
  wire::ReplicaAppend group;
  group.epoch = kEpoch;
  group.records = {record(1), record(2), record(3)};
  group.records[1].writes[0].oid = Oid(1);  // what 1 wrote, again
  group.records[1].writes[0].previous = Tid(1);
  group.records.push_back(pack_record(4, 3));
  group.records.push_back(removal_record(5));
  group.records.push_back(record(6));
  std::vector<Position> ends;
  StandbyApplier::Events events;
  events.appended = [&](const Position& last) { ends.push_back(last); };
  events.mismatched = events.failed = [](const Error& why) { ADD_FAILURE() << why.detail; };
  {
    StandbyApplier applier(*engine, std::move(events));
    applier.append(std::move(group), {});
  }
  ASSERT_EQ(visible.size(), 2U);
  EXPECT_EQ(visible[1], Tid(4));
  EXPECT_EQ(control->group_sizes(), (std::vector<std::size_t>{4, 2}));
  ASSERT_EQ(ends.size(), 2U);
  EXPECT_EQ(ends[0].tid, Tid(4));
  EXPECT_EQ(ends[1].tid, Tid(6));
  EXPECT_EQ(engine->visible(), Tid(4)) << "of what comes after, nothing is known yet";
}

// As the primary's log writer does.
class StandbyApplierOnAFullDisk : public ::testing::Test {
 protected:
  StandbyApplierOnAFullDisk() {
    StorageEngine::Options options;
    options.name = "main";
    options.leads = false;
    engine_ = *StorageEngine::start(
        std::move(options), std::make_unique<ControlledStore>(control_), clock_, [](std::size_t) {},
        [](const Error&) {});
    StandbyApplier::Events events;
    events.appended = [this](const Position& last) { appended_.push_back(last.tid); };
    events.mismatched = events.failed = [](const Error& why) { ADD_FAILURE() << why.detail; };
    events.starved = [this](const std::optional<Error>& why) {
      if (why) starving_.set_value(*why);
      if (!why) recovered_.set_value(appended_.size());
    };
    events.rolled_back = [this](Result<Position> end) { rolled_back_.set_value(std::move(end)); };
    applier_ = std::make_unique<StandbyApplier>(*engine_, std::move(events));
  }
  void append(const Position& previous, std::vector<TransactionRecord> records) {
    applier_->append({.epoch = kEpoch, .previous = previous, .records = std::move(records)}, {});
  }
  [[nodiscard]] Tid end() const { return control_->content.last_position().tid; }

  SystemClock clock_;
  std::shared_ptr<StoreControl> control_ = std::make_shared<StoreControl>();
  std::unique_ptr<StorageEngine> engine_;
  std::vector<Tid> appended_;  // the applier's thread's, until it has ended
  std::promise<Error> starving_;
  std::promise<std::size_t> recovered_;
  std::promise<Result<Position>> rolled_back_;
  std::unique_ptr<StandbyApplier> applier_;
};

TEST_F(StandbyApplierOnAFullDisk, WaitsAndGoesOnWhenThereIsSpace) {
  control_->fail_appends(ErrorCode::out_of_space, 3);
  append({}, {record(1)});
  EXPECT_EQ(starving_.get_future().get().code, ErrorCode::out_of_space);
  EXPECT_EQ(recovered_.get_future().get(), 0U) << "nothing is told before it is durable";
  applier_.reset();
  EXPECT_EQ(appended_, std::vector<Tid>{Tid(1)});
  EXPECT_EQ(end(), Tid(1));
}

TEST_F(StandbyApplierOnAFullDisk, CanBeEnded) {
  control_->fail_appends(ErrorCode::out_of_space, SIZE_MAX);
  append({}, {record(1)});
  starving_.get_future().wait();
  append(storage::position_after({}, record(1)), {record(2)});
  applier_.reset();
  EXPECT_TRUE(appended_.empty());
  EXPECT_EQ(end(), kNoTid);
}

TEST_F(StandbyApplierOnAFullDisk, ArchivesAndUndoesWhenThereIsSpace) {
  append({}, {record(1)});
  applier_->rollback({Epoch(9), Tid(9), {}}, {.archive = [](Position) -> Result<> { return {}; }});
  EXPECT_FALSE(rolled_back_.get_future().get()) << "so what came before has been appended";
  rolled_back_ = {};
  control_->content.set_out_of_space(true);
  std::size_t archived = 0;
  applier_->rollback({}, {.archive = [&](Position) -> Result<> {
                       ++archived;
                       return {};
                     }});
  EXPECT_EQ(starving_.get_future().get().code, ErrorCode::out_of_space);
  EXPECT_EQ(archived, 0U);
  control_->content.set_out_of_space(false);
  const Result<Position> undone = rolled_back_.get_future().get();
  ASSERT_TRUE(undone) << undone.error().detail;
  EXPECT_EQ(archived, 1U);
  EXPECT_EQ(end(), kNoTid);
}

// Readers of a standby that takes over are told of what it had not shown yet, before all else.
TEST_F(StandbyApplierTest, AReignBeginsByTellingWhatItInherited) {
  append({}, {record(1), record(2), record(3)});
  settle();
  applier_->show(Tid(1));
  (void)engine_->take_deliveries(0);
  applier_.reset();
  const Result<Position> begin = engine_->lead(Epoch{3}, true);
  ASSERT_TRUE(begin);
  engine_->serve();
  const std::vector<Delivery> deliveries = engine_->take_deliveries(0);
  ASSERT_EQ(deliveries.size(), 1U);
  ASSERT_TRUE(deliveries[0].published);
  const auto& published = *deliveries[0].published;
  ASSERT_EQ(published.size(), 3U);
  EXPECT_EQ(published[0].tid, Tid(2));
  EXPECT_EQ(published[0].oids, std::vector<Oid>{Oid(2)});
  EXPECT_EQ(published[1].oids, std::vector<Oid>{Oid(3)});
  EXPECT_EQ(published[2].tid, begin->tid);
  EXPECT_EQ(published[2].kind, RecordKind::epoch);
}

// Groups gather while the thread is busy, and are appended as one.
class StandbyApplierGathering : public StandbyApplierTest {
 protected:
  // Until `give` has returned the thread is in the archive of a rollback that is refused.
  template <typename Give>
  void while_busy(Give give) {
    rolled_back_ = {};
    std::promise<void> begun;
    std::promise<void> may_end;
    applier_->rollback({}, {.archive = [&](const Position&) -> Result<> {
                         begun.set_value();
                         may_end.get_future().wait();
                         return make_error(ErrorCode::io_error, "not archived");
                       }});
    begun.get_future().wait();
    give();
    may_end.set_value();
    EXPECT_FALSE(rolled_back_.get_future().get());
    settle();
  }
  // Where the log ends after `records`.
  static Position after(Position last, const std::vector<TransactionRecord>& records) {
    for (const TransactionRecord& one : records) last = storage::position_after(last, one);
    return last;
  }
};

TEST_F(StandbyApplierGathering, AppendsThemAsOne) {
  const std::vector<TransactionRecord> first = {record(1), record(2)};
  const std::vector<TransactionRecord> second = {record(3)};
  while_busy([&] {
    append({}, first);
    append(after({}, first), second);
    append(after(after({}, first), second), {record(4)});
  });
  ASSERT_EQ(ends_.size(), 1U);
  EXPECT_EQ(ends_[0].tid, Tid(4));
  EXPECT_TRUE(mismatches_.empty());
}

TEST_F(StandbyApplierGathering, EachMustFollowTheOneBefore) {
  const std::vector<TransactionRecord> first = {record(1), record(2)};
  const std::vector<TransactionRecord> second = {record(3)};
  for (const bool last : {false, true}) {
    SCOPED_TRACE(last ? "the last" : "one between");
    Position between = after({}, first);
    Position end = after(between, second);
    (last ? end : between).chain[0] ^= 1;  // the same transaction of another history
    while_busy([&] {
      append({}, first);
      append(between, second);
      append(end, {record(4)});
    });
    EXPECT_EQ(this->end(), Position{}) << "nothing is appended";
    EXPECT_TRUE(ends_.empty());
    EXPECT_EQ(mismatches_.size(), last ? 2U : 1U);
    EXPECT_EQ(applier_->queued_bytes(), 0U);
    applier_->resume();
  }
}

TEST_F(StandbyApplierTest, ARemovalTakesRevisionsAndTheirBlobs) {
  const blobs::BlobDirectory& blobs = *engine_->blobs();
  for (const std::uint64_t tid : {1U, 2U}) {
    std::filesystem::create_directories(blobs.path_of(Oid(1), Tid(tid)).parent_path());
    std::ofstream(blobs.path_of(Oid(1), Tid(tid))) << "content";
  }
  TransactionRecord newer = record(2);
  newer.writes[0].oid = Oid(1);
  newer.writes[0].previous = Tid(1);
  append({}, {record(1), newer, pack_record(3, 2), removal_record(4)});
  settle();
  EXPECT_EQ(end().tid, Tid(4));
  EXPECT_TRUE(store_->pack_state().swept);
  EXPECT_EQ(store_->revisions_from(Oid(0), 10)->size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(blobs.path_of(Oid(1), Tid(1))));
  EXPECT_TRUE(std::filesystem::exists(blobs.path_of(Oid(1), Tid(2))));
}

TEST_F(StandbyApplierTest, TheSizeGoesDownByTheObjectsOfWhichNothingIsLeft) {
  TransactionRecord newer = record(4);
  newer.writes[0].oid = Oid(1);
  newer.writes[0].previous = Tid(1);
  append({}, {record(1), record(2), record(3), newer});
  settle();
  EXPECT_EQ(engine_->size().objects, 3U);
  append(end(), {pack_record(5, 3), removal_record(6)});  // object 1 has a later revision
  settle();
  EXPECT_EQ(engine_->size().objects, 3U);

  TransactionRecord first = removal_record(8);
  first.pack_complete = false;
  first.removed = {{Oid(1), Tid(4)}, {Oid(2), Tid(2)}};
  TransactionRecord second = removal_record(9);
  second.pack_record = Tid(7);
  second.removed = {};
  append(end(), {pack_record(7, 4), first, second});
  settle();
  EXPECT_EQ(engine_->size().objects, 1U);
}

TEST_F(StandbyApplierTest, AnObjectWhoseRevisionsGoInTwoRecordsIsCountedOnce) {
  TransactionRecord newer = record(3);
  newer.writes[0].oid = Oid(1);
  newer.writes[0].previous = Tid(1);
  TransactionRecord first = removal_record(5);
  first.pack_complete = false;
  first.removed = {{Oid(1), Tid(3)}};
  TransactionRecord second = removal_record(6);
  second.pack_record = Tid(4);
  append({}, {record(1), record(2), newer, pack_record(4, 3), first, second});
  settle();
  EXPECT_EQ(engine_->size().objects, 1U);
}

TEST_F(StandbyApplierTest, ReadersSeeWhatIsShownAndNoMore) {
  append({}, {record(1), record(2), record(3)});
  settle();
  EXPECT_EQ(engine_->visible(), kNoTid);
  applier_->show(Tid(2));
  EXPECT_EQ(engine_->visible(), Tid(2));
  applier_->show(Tid(2));
  applier_->show(Tid(3));
  EXPECT_EQ(engine_->visible(), Tid(3));
  const std::vector<Delivery> deliveries = engine_->take_deliveries(0);
  ASSERT_EQ(deliveries.size(), 2U);
  const auto& second = *deliveries[1].published;
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].oids, std::vector<Oid>{Oid(3)}) << "what readers have cached is invalidated";
}

// The next process of a standby that stopped before the primary told it that all may be shown.
class StandbyApplierBegunAnew : public StandbyApplierTest {
 protected:
  void SetUp() override {
    append({}, {record(1), record(2), record(3), pack_record(4, 1)});
    settle();
    applier_.reset();
    StandbyApplier::Events events;
    events.appended = [](const Position&) {};
    events.rolled_back = [this](Result<Position> end) { rolled_back_.set_value(std::move(end)); };
    events.mismatched = events.failed = [](const Error& why) { ADD_FAILURE() << why.detail; };
    applier_ = std::make_unique<StandbyApplier>(*engine_, std::move(events));
  }
  // What readers have been told of since they were last asked.
  std::vector<Tid> told() {
    std::vector<Tid> tids;
    for (const Delivery& delivery : engine_->take_deliveries(0)) {
      for (const auto& news : *delivery.published) tids.push_back(news.tid);
    }
    return tids;
  }
};

TEST_F(StandbyApplierBegunAnew, TellsReadersOfWhatWasInTheLog) {
  applier_->show(Tid(1));
  EXPECT_EQ(told(), std::vector<Tid>{Tid(1)});
  applier_->show(Tid(3));
  EXPECT_EQ(engine_->visible(), Tid(3));
  EXPECT_EQ(told(), (std::vector<Tid>{Tid(2), Tid(3)}));
  append(end(), {record(5)});
  settle();
  applier_->show(Tid(5));
  EXPECT_EQ(told(), (std::vector<Tid>{Tid(4), Tid(5)}));
}

TEST_F(StandbyApplierBegunAnew, DoesNotTellOfWhatWasUndone) {
  const Position common = store_->log_entry(Tid(2))->value().position;
  ASSERT_TRUE(rollback(common));
  append(common, {record(3)});
  settle();
  applier_->show(Tid(1));
  (void)told();
  applier_->show(Tid(3));
  EXPECT_EQ(told(), (std::vector<Tid>{Tid(2), Tid(3)}));
}

TEST_F(StandbyApplierBegunAnew, ARemovalHasItsPackRecordShown) {
  applier_->show(Tid(1));
  TransactionRecord removal = removal_record(5);
  removal.removed = {};
  append(end(), {removal});
  settle();
  EXPECT_EQ(end().tid, Tid(5));
  EXPECT_EQ(engine_->visible(), Tid(4));
}

TEST_F(StandbyApplierTest, UndoesWhatIsBeyondTheCommonHistory) {
  append({}, {record(1)});
  settle();
  const Position common = end();
  append(common, {record(2), record(3)});
  const Result<Position> back = rollback(common);
  ASSERT_TRUE(back) << back.error().detail;
  EXPECT_EQ(*back, common);
  EXPECT_EQ(end(), common);
  append(common, {record(5)});
  settle();
  applier_->show(Tid(5));
  EXPECT_EQ(engine_->visible(), Tid(5));
}

TEST_F(StandbyApplierTest, TidiesUpOnceTheLogIsShort) {
  append({}, {record(1), record(2)});
  const Position all = storage::position_after(storage::position_after({}, record(1)), record(2));
  std::vector<Tid> ends;
  const auto see_end = [&](const Position&) -> Result<> {
    ends.push_back(end().tid);
    return {};
  };
  rolled_back_ = {};
  applier_->rollback(storage::position_after({}, record(1)),
                     {.archive = see_end, .tidy = [&] { ends.push_back(end().tid); }});
  ASSERT_TRUE(rolled_back_.get_future().get());
  EXPECT_EQ(ends, (std::vector<Tid>{all.tid, Tid(1)}));
}

class StandbyApplierBlobs : public StandbyApplierTest {
 protected:
  static TransactionRecord blob_record(std::uint64_t tid, std::string_view content) {
    TransactionRecord made = record(tid);
    blobs::BlobHash hash;
    hash.update(content);
    made.writes[0].blob = hash.finish();
    return made;
  }
  StandbyApplier::ReceivedBlob received(std::uint64_t tid, std::string_view content) {
    auto file = std::make_shared<blobs::StagedBlob>(engine_->blobs()->stage().value());
    EXPECT_TRUE(file->append(content));
    return {Oid(tid), Tid(tid), std::move(file)};
  }
  void append_with(TransactionRecord made, std::vector<StandbyApplier::ReceivedBlob> blobs) {
    wire::ReplicaAppend group;
    group.epoch = kEpoch;
    group.records.push_back(std::move(made));
    applier_->append(std::move(group), std::move(blobs));
    settle();
  }
};

TEST_F(StandbyApplierBlobs, AreThereWithTheirRecord) {
  append_with(blob_record(1, "content"), {received(1, "content")});
  EXPECT_EQ(end().tid, Tid(1));
  const auto file = engine_->blobs()->open_for_reading(Oid(1), Tid(1));
  ASSERT_TRUE(file) << file.error().detail;
  EXPECT_EQ(file->size(), 7U);
}

// What was damaged on its way, or did not come, is asked for again with its group.
TEST_F(StandbyApplierBlobs, ThatAreDamagedOrMissingAreNotAppended) {
  append_with(blob_record(1, "content"), {received(1, "c0ntent")});
  ASSERT_EQ(mismatches_.size(), 1U);
  EXPECT_NE(mismatches_[0].find("came with another content"), std::string::npos);
  EXPECT_EQ(end(), Position{});
  applier_->resume();
  append_with(blob_record(1, "content"), {received(2, "content")});
  ASSERT_EQ(mismatches_.size(), 2U);
  EXPECT_NE(mismatches_[1].find("did not come"), std::string::npos);
  EXPECT_EQ(end(), Position{});
  applier_->resume();
  append_with(blob_record(1, "content"), {received(1, "content")});
  EXPECT_EQ(end().tid, Tid(1));
  EXPECT_EQ(mismatches_.size(), 2U);
}

TEST_F(StandbyApplierBlobs, OfAGroupThatIsRefusedNoneIsLeft) {
  TransactionRecord both = blob_record(1, "content");
  both.writes.push_back(blob_record(2, "content").writes[0]);
  append_with(std::move(both),
              {received(1, "content"), {Oid(2), Tid(1), received(2, "c0ntent").file}});
  ASSERT_EQ(mismatches_.size(), 1U);
  EXPECT_TRUE(engine_->blobs()->staged()->empty());
}

TEST_F(StandbyApplierTest, APositionThatIsNotInTheLogIsRefused) {
  append({}, {record(1)});
  const Result<Position> back = rollback(Position{kEpoch, Tid(1), {}});
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, ErrorCode::not_found);
  EXPECT_EQ(end().tid, Tid(1));
}

}  // namespace
}  // namespace zeolite::daemon
