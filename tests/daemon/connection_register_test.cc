#include "daemon/connection_register.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <stdexcept>

namespace zeolite::daemon {
namespace {

class IdleConnection final : public ClientConnection {
 public:
  IdleConnection(ConnectionEnvironment& environment, commit::OwnerId owner)
      : ClientConnection(environment), owner_(owner) {}

  void start() override {}
  void close(Error /*why*/) override {}
  void check_progress(Instant /*now*/) override {}
  [[nodiscard]] commit::OwnerId owner() const override { return owner_; }
  [[nodiscard]] bool wants_invalidations() const override { return false; }
  void on_reply(commit::CommitEffects::Reply /*reply*/) override {}
  void offer(PublishedBatch& /*published*/, RecordKind /*kind*/, bool /*own*/) override {}
  void end(Error /*why*/) override {}

 private:
  [[nodiscard]] net::StreamConnection& stream() override {
    throw std::logic_error("it has no socket");
  }
  commit::OwnerId owner_;
};

class ConnectionRegisterTest : public testing::Test {
 protected:
  ConnectionRegisterTest() {
    environment_.config = &config_;
    for (commit::OwnerId owner = 1; owner <= 100; ++owner) add(owner);
  }
  void add(commit::OwnerId owner) {
    register_.add(owner, std::make_shared<IdleConnection>(environment_, owner));
  }
  // All that are there.
  std::set<commit::OwnerId> owners() const {
    std::set<commit::OwnerId> found;
    register_.for_each([&](const ClientConnection& one) { found.insert(one.owner()); });
    return found;
  }

  ServerConfig config_;
  ConnectionEnvironment environment_;
  ConnectionRegister register_;
};

// As one that is told of something does when its peer does not read.
TEST_F(ConnectionRegisterTest, ConnectionsMayEndWhileAllAreVisited) {
  std::set<commit::OwnerId> visited;
  register_.for_each([&](const ClientConnection& one) {
    visited.insert(one.owner());
    for (commit::OwnerId owner = 2; owner <= 100; ++owner) register_.remove(owner);
    EXPECT_GT(one.owner(), 0U);  // the one that is visited is kept
  });
  EXPECT_EQ(visited.size(), 100U);
  EXPECT_EQ(owners(), std::set<commit::OwnerId>{1});
}

TEST_F(ConnectionRegisterTest, ConnectionsMayComeWhileAllAreVisited) {
  std::size_t visits = 0;
  register_.for_each([&](const ClientConnection& one) {
    ++visits;
    add(one.owner() + 1000);
  });
  EXPECT_EQ(visits, 100U);
  EXPECT_EQ(owners().size(), 200U);
}

}  // namespace
}  // namespace zeolite::daemon
