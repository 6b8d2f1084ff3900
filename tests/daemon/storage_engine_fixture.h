#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/controlled_store.h"
#include "daemon/storage_engine.h"

namespace zeolite::daemon {

// What a StorageEngine told its shards.
class Inbox {
 public:
  void take(std::size_t shard, std::vector<Delivery> deliveries) {
    const std::lock_guard lock(mutex_);
    for (Delivery& delivery : deliveries) keep(shard, delivery);
    changed_.notify_all();
  }

  struct Answered {
    std::size_t shard;
    commit::CommitEffects::Reply reply;
  };
  Answered wait_for(commit::Ticket ticket) {
    std::unique_lock lock(mutex_);
    std::optional<Answered> found;
    changed_.wait(lock, [&] {
      const auto it =
          std::ranges::find(replies_, ticket, [](const Answered& a) { return a.reply.ticket; });
      if (it != replies_.end()) found = *it;
      return found.has_value();
    });
    return *found;
  }
  std::size_t replies() {
    const std::lock_guard lock(mutex_);
    return replies_.size();
  }
  std::vector<commit::CommitEffects::Publish> published() {
    const std::lock_guard lock(mutex_);
    return published_;
  }

 private:
  void keep(std::size_t shard, Delivery& delivery) {
    for (commit::CommitEffects::Reply& reply : delivery.replies)
      replies_.push_back({shard, std::move(reply)});
    if (delivery.published && shard == 0) {
      for (const auto& p : *delivery.published) published_.push_back(p);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Answered> replies_;
  std::vector<commit::CommitEffects::Publish> published_;
};

// One engine; the test's thread plays the connections.
class StorageEngineTest : public ::testing::Test {
 protected:
  ~StorageEngineTest() override { control_->append.open(); }

  void start(std::size_t shards = 1) {
    StorageEngine::Options options;
    options.name = "main";
    options.shards = shards;
    options.inline_sync_max = inline_sync_max_;
    options.group_bytes_max = group_bytes_max_;
    options.leads = !alone_;
    options.commit.vote_timeout = vote_timeout_;
    options.run_apart = [this](std::function<void()> work) { apart_.push_back(std::move(work)); };
    auto engine = StorageEngine::start(
        std::move(options), std::make_unique<ControlledStore>(control_), clock_,
        [this](std::size_t shard) { inbox_.take(shard, running_->take_deliveries(shard)); },
        [this](Error why) {
          ++fatal_count_;
          fatal_.set_value(std::move(why));
        });
    ASSERT_TRUE(engine) << engine.error().detail;
    engine_ = *std::move(engine);
    running_ = engine_.get();
    if (alone_) {
      ASSERT_EQ(engine_->lead_alone(Epoch(1)), Position{});
      engine_->serve();
    }
    for (std::size_t shard = 0; shard < shards; ++shard) {
      EXPECT_FALSE(engine_->set_attended(shard, true));
    }
  }

  static commit::Ticket ticket(commit::OwnerId owner, std::uint64_t n) { return owner << 32 | n; }
  static commit::StagedTransaction write(std::uint64_t oid, Tid base = kNoTid) {
    commit::StagedTransaction transaction;
    transaction.writes.push_back({.oid = Oid(oid), .base = base, .data = Bytes::copy_of("x")});
    return transaction;
  }
  static commit::StagedTransaction large_write(std::uint64_t oid, std::size_t bytes) {
    commit::StagedTransaction transaction = write(oid);
    transaction.writes[0].data = Bytes(std::string(bytes, 'x'));
    return transaction;
  }
  // Of objects 1, 2, 3, ...: too many to be looked up on a shard's thread.
  static commit::StagedTransaction many_writes() {
    commit::StagedTransaction transaction;
    for (std::uint64_t oid = 1; oid <= StorageEngine::kObjectsAtOnceMax + 1; ++oid) {
      transaction.writes.push_back(std::move(write(oid).writes[0]));
    }
    return transaction;
  }
  static commit::StagedTransaction restored(std::uint64_t oid, Tid tid) {
    commit::StagedTransaction transaction = write(oid);
    transaction.writes[0].unchecked = true;
    transaction.fixed_tid = tid;
    return transaction;
  }
  commit::Ticket submit(commit::OwnerId owner, std::uint64_t n, commit::StagedTransaction what,
                        bool one_request = true) {
    engine_->call(owner,
                  server::SessionEffects::Submit{ticket(owner, n), std::move(what), one_request});
    return ticket(owner, n);
  }
  Tid commit(commit::OwnerId owner, std::uint64_t n, commit::StagedTransaction what) {
    const commit::CommitEffects::Reply reply =
        inbox_.wait_for(submit(owner, n, std::move(what))).reply;
    EXPECT_EQ(reply.kind, commit::CommitEffects::Reply::Kind::committed);
    return reply.tid;
  }
  // Shuts the door and sends the writer to it with a commit of object `oid`.
  commit::Ticket block_writer(std::uint64_t oid) {
    const std::size_t before = control_->append.arrived();
    control_->append.shut();
    const commit::Ticket blocked = submit(1, 1000 + oid, write(oid));
    control_->append.wait_for(before + 1);
    return blocked;
  }
  // Owner 2's tickets are committed, one after the other, behind `before`.
  void expect_in_order(commit::Ticket before, std::uint64_t first, std::uint64_t last_one) {
    Tid last = inbox_.wait_for(before).reply.tid;
    for (std::uint64_t n = first; n <= last_one; ++n) {
      const Tid tid = inbox_.wait_for(ticket(2, n)).reply.tid;
      EXPECT_GT(tid, last);
      last = tid;
    }
  }

  std::shared_ptr<StoreControl> control_ = std::make_shared<StoreControl>();
  ManualClock clock_;
  Inbox inbox_;
  std::atomic<int> fatal_count_ = 0;
  std::promise<Error> fatal_;
  Duration inline_sync_max_{};                        // set before start()
  std::uint64_t group_bytes_max_ = UINT64_MAX;        // the same
  bool alone_ = false;                                // the same: it leads alone
  Duration vote_timeout_ = std::chrono::seconds(60);  // the same
  std::vector<std::function<void()>> apart_;  // what the engine wants done on another thread
  std::unique_ptr<StorageEngine> engine_;
  StorageEngine* running_ = nullptr;  // engine_, also while it ends
};

}  // namespace zeolite::daemon
