#include "daemon/replication_service.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/loopback_peer.h"
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
    events.restart = [this](const ReplicationService::Events::Restart& restart) {
      note(restarts_, restart.why);
    };
    events.fatal = [this](const Error& why) { note(ends_, why.detail); };
    events.log = [this](LogLevel level, std::string_view text) {
      if (level == LogLevel::warning) note(warnings_, std::string(text));
    };
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
    store_ = &rocks;
  }
  ~ReplicationServiceTest() override {
    service_->stop();
    engine_.reset();
  }
  void start() { service_->start(*engine_, *store_); }
  void note(std::vector<std::string>& list, std::string text) {
    const std::lock_guard lock(mutex_);
    list.push_back(std::move(text));
    noted_.notify_all();
  }
  std::vector<std::string> noted(const std::vector<std::string>& list) {
    const std::lock_guard lock(mutex_);
    return list;
  }
  std::string wait_noted(const std::vector<std::string>& list) {
    std::unique_lock lock(mutex_);
    noted_.wait(lock, [&] { return !list.empty(); });
    return list.front();
  }
  // As it answers a command to promote.
  Result<wire::RoleChanged> promote() {
    std::promise<Result<wire::RoleChanged>> answer;
    service_->promote({}, [&](Result<wire::RoleChanged> given) { answer.set_value(given); });
    return answer.get_future().get();
  }
  // What is written first when the file NODE is replaced.
  [[nodiscard]] std::filesystem::path new_node_file() const {
    return directory_.path() / "NODE.new";
  }

  TemporaryDirectory directory_;
  SystemClock clock_;
  // The service's thread's, until it leads.
  bool leads_told_ = false;
  bool kept_ = false;
  bool kept_when_told_ = false;
  wire::NodeRole shown_when_kept_ = wire::NodeRole::primary;
  std::promise<void> leads_;
  std::mutex mutex_;
  std::condition_variable noted_;
  std::vector<std::string> warnings_;  // with mutex_, as the two below
  std::vector<std::string> restarts_;
  std::vector<std::string> ends_;
  storage::RocksObjectStore* store_ = nullptr;
  std::unique_ptr<ReplicationService> service_;
  std::unique_ptr<StorageEngine> engine_;
};

// A supervisor or an operator acts by what is shown, also when the process dies at that moment.
TEST_F(ReplicationServiceTest, WhatOutlivesTheProcessIsKeptBeforeItIsShown) {
  start();
  leads_.get_future().wait();
  service_->stop();
  EXPECT_TRUE(kept_when_told_);
  EXPECT_EQ(shown_when_kept_, wire::NodeRole::starting);
}

// When a server ends, the service ends first, and what still waited for an object's lock may be
// written after that.
TEST_F(ReplicationServiceTest, WhatIsWrittenAfterItsEndDoesNoHarm) {
  start();
  leads_.get_future().wait();
  service_->stop();
  const Tid before = engine_->durable_end().tid;
  const Result<> begun = engine_->begin_log();
  ASSERT_TRUE(begun) << begun.error().detail;
  EXPECT_GT(engine_->durable_end().tid, before);
}

// The epoch would be a reign that its node may forget, and begin once more.
TEST_F(ReplicationServiceTest, NothingFollowsFromAPromiseThatTheDiskHasNoRoomFor) {
  std::filesystem::create_symlink("/dev/full", new_node_file());
  start();
  const std::string warned = wait_noted(warnings_);
  const Result<wire::RoleChanged> promoted = promote();  // whatever was to be done before is done
  ASSERT_FALSE(promoted);
  EXPECT_EQ(promoted.error().code, ErrorCode::out_of_space);
  EXPECT_TRUE(engine_->durable_end().tid.is_zero()) << "a reign began";
  EXPECT_EQ(service_->view()->role, wire::NodeRole::starting);
  EXPECT_EQ(service_->view()->promised, Epoch{});
  for (const std::string& said : {warned, service_->view()->advice}) {
    EXPECT_NE(said.find("No space left on device; this node neither leads nor follows until there "
                        "is space"),
              std::string::npos)
        << said;
  }
  EXPECT_EQ(noted(warnings_).size(), 1U) << "said once";
  EXPECT_TRUE(noted(restarts_).empty());

  std::filesystem::remove(new_node_file());
  EXPECT_EQ(wait_noted(restarts_), "there is space again for what it has to store");
  EXPECT_TRUE(noted(ends_).empty());
  EXPECT_TRUE(engine_->durable_end().tid.is_zero()) << "the next one leads";
}

// Nobody knows what the disk has then.
TEST_F(ReplicationServiceTest, EndsWhenAPromiseMeetsAnErrorOfTheDisk) {
  std::filesystem::create_directory(new_node_file());
  start();
  wait_noted(ends_);
  service_->stop();
  EXPECT_EQ(noted(ends_).size(), 1U);
  EXPECT_TRUE(engine_->durable_end().tid.is_zero()) << "a reign began";
  EXPECT_EQ(service_->view()->role, wire::NodeRole::starting);
  EXPECT_TRUE(noted(restarts_).empty());
}

// Else its log says no more than that the connection ended.
TEST_F(ReplicationServiceTest, AStandbyThatCannotBeServedIsToldWhyAndTheLogOnce) {
  start();
  leads_.get_future().wait();
  boost::asio::io_context context;
  for (int round = 0; round < 2; ++round) {
    net::SocketPair pair = net::SocketPair::make(context, context);
    wire::ReplicaHello hello;
    hello.version_min = hello.version_max = wire::kProtocolVersion;
    hello.cluster_id = store_->cluster_id();
    hello.node = {9};
    hello.name = "two";
    hello.storage = "main";
    service_->adopt(pair.near.release(), hello);
    net::Peer standby(std::move(pair.far));
    standby.send(wire::Ping{}, 0);
    std::optional<net::Peer::Received> last;
    while (std::optional<net::Peer::Received> received = standby.receive()) last = received;
    ASSERT_TRUE(last);
    const auto* const error = std::get_if<wire::ErrorReply>(&last->message);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->error.detail, "a standby sent a message that is not for it to send");
  }
  service_->stop();
  const std::string said =
      "a standby's connection ended: a standby sent a message that is not for it to send";
  EXPECT_EQ(std::ranges::count(noted(warnings_), said), 1);
}

}  // namespace
}  // namespace zeolite::daemon
