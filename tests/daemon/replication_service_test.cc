#include "daemon/replication_service.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string_view>
#include <utility>

#include "support/temporary_directory.h"

namespace zeolite::daemon {
namespace {

using zeolite::testing::TemporaryDirectory;

// A primary without standbys, as far as the service and the engine make one.
class ReplicationServiceTest : public ::testing::Test {
 protected:
  ReplicationServiceTest() {
    auto lock =
        *storage::DirectoryLock::take(directory_.path(), storage::DirectoryLock::Access::write);
    auto node_file = *storage::NodeFile::open(lock);
    ReplicationService::Options options;
    options.node.id = node_file->id();
    options.node.name = "one";
    options.node.leads = true;
    options.data = directory_.path();
    ReplicationService::Events events;
    events.keep = [this](const ClusterView& view) {
      if (view.role != wire::NodeRole::primary || std::exchange(kept_, true)) return;
      shown_when_kept_ = service_->view()->role;
    };
    events.changed = [this](const ClusterView& view) {
      if (view.role == wire::NodeRole::primary && !std::exchange(leads_told_, true)) {
        kept_when_told_ = kept_;
        leads_.set_value();
      }
    };
    events.restart = [](const ReplicationService::Events::Restart& restart) {
      ADD_FAILURE() << restart.why;
    };
    events.fatal = [](const Error& why) { ADD_FAILURE() << why.detail; };
    events.log = [](LogLevel, std::string_view) {};
    service_ = std::make_unique<ReplicationService>(std::move(options), std::move(node_file),
                                                    std::move(events));
    storage::RocksStoreOptions store_options;
    store_options.lock = lock;
    store_options.directory = directory_.path();
    auto store = *storage::RocksObjectStore::open(store_options);
    storage::RocksObjectStore& rocks = *store;
    StorageEngine::Options engine_options;
    engine_options.name = "main";
    engine_options.leads = false;
    engine_options.observer = service_.get();
    engine_ = *StorageEngine::start(
        std::move(engine_options), std::move(store), clock_, [](std::size_t) {},
        [](const Error& why) { ADD_FAILURE() << why.detail; });
    service_->start(*engine_, rocks);
  }
  ~ReplicationServiceTest() override {
    service_->stop();
    engine_.reset();
  }

  TemporaryDirectory directory_;
  SystemClock clock_;
  // The service's thread's, until it leads.
  bool leads_told_ = false;
  bool kept_ = false;
  bool kept_when_told_ = false;
  wire::NodeRole shown_when_kept_ = wire::NodeRole::primary;
  std::promise<void> leads_;
  std::unique_ptr<ReplicationService> service_;
  std::unique_ptr<StorageEngine> engine_;
};

// A supervisor or an operator acts by what is shown, also when the process dies at that moment.
TEST_F(ReplicationServiceTest, WhatOutlivesTheProcessIsKeptBeforeItIsShown) {
  leads_.get_future().wait();
  service_->stop();
  EXPECT_TRUE(kept_when_told_);
  EXPECT_EQ(shown_when_kept_, wire::NodeRole::starting);
}

// When a server ends, the service ends first, and what still waited for an object's lock may be
// written after that.
TEST_F(ReplicationServiceTest, WhatIsWrittenAfterItsEndDoesNoHarm) {
  leads_.get_future().wait();
  service_->stop();
  const Tid before = engine_->durable_end().tid;
  const Result<> packed = engine_->append_pack(before, false);
  ASSERT_TRUE(packed) << packed.error().detail;
  EXPECT_GT(engine_->durable_end().tid, before);
}

}  // namespace
}  // namespace zeolite::daemon
