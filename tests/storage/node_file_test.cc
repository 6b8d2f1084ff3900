#include "storage/node_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "storage/node_runs.h"
#include "storage/rocks_object_store.h"
#include "storage/store_builders.h"
#include "storage/tiny_disk.h"

namespace zeolite::storage::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class NodeFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<NodeFile> open() {
    auto lock = DirectoryLock::take(path_, DirectoryLock::Access::create);
    EXPECT_TRUE(lock) << lock.error().to_string();
    auto node = NodeFile::open(std::move(*lock));
    EXPECT_TRUE(node) << node.error().to_string();
    return node ? std::move(*node) : nullptr;
  }
  [[nodiscard]] Error open_error() const {
    auto lock = DirectoryLock::take(path_, DirectoryLock::Access::create).value();
    const auto node = NodeFile::open(std::move(lock));
    return node ? Error{} : node.error();
  }
  [[nodiscard]] std::string content() const {
    return read_small_file(path_ / "NODE").value().value_or("");
  }
  void write(const std::string& text) const { std::ofstream(path_ / "NODE") << text; }

  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "node";
};

TEST_F(NodeFileTest, NewNodeHasAnIdForEverAndPromisedNothing) {
  EXPECT_FALSE(read_node_file(path_).value());
  const Id128 id = open()->id();
  EXPECT_NE(id, Id128{});
  const auto again = open();
  EXPECT_EQ(again->id(), id);
  EXPECT_EQ(again->promised(), Epoch(0));
  EXPECT_EQ(read_node_file(path_).value(), (NodeIdentity{id, Epoch(0), Epoch(0)}))
      << "without the lock";
}

TEST_F(NodeFileTest, PromisesAreKeptAndReadable) {
  const Id128 id = open()->id();
  for (const std::uint64_t epoch : {1U, 2U, 2U, 40U}) {
    const auto node = open();
    ASSERT_TRUE(node->promise(Epoch(epoch)));
    EXPECT_EQ(node->promised(), Epoch(epoch));
    EXPECT_EQ(read_node_file(path_).value(), (NodeIdentity{id, Epoch(epoch), Epoch(epoch)}));
  }
  EXPECT_THAT(content(), HasSubstr("\npromised 40\n"));
}

TEST_F(NodeFileTest, WhatWasHeardIsKeptWhereItIsAboveThePromise) {
  const Id128 id = open()->id();
  ASSERT_TRUE(open()->promise(Epoch(5)));
  const std::string before = content();
  EXPECT_THAT(before, StartsWith("zeolite-node 1\n")) << "as older programs write and read it";
  ASSERT_TRUE(open()->hear(Epoch(5)));
  EXPECT_EQ(content(), before);
  ASSERT_TRUE(open()->hear(Epoch(70000)));
  EXPECT_THAT(content(), StartsWith("zeolite-node 2\n"));
  ASSERT_TRUE(open()->hear(Epoch(69999)));
  EXPECT_EQ(open()->promised(), Epoch(5));
  EXPECT_EQ(open()->heard(), Epoch(70000));
  ASSERT_TRUE(open()->promise(Epoch(6)));
  EXPECT_EQ(read_node_file(path_).value(), (NodeIdentity{id, Epoch(6), Epoch(70000)}));
  ASSERT_TRUE(open()->promise(Epoch(70001)));
  EXPECT_EQ(open()->heard(), Epoch(70001));
  EXPECT_THAT(content(), StartsWith("zeolite-node 1\n"));
}

// Nothing is written, so nothing has to be synced, by what is not above all before.
TEST_F(NodeFileTest, HearingTheSameAgainLeavesTheFileAlone) {
  const auto node = open();
  ASSERT_TRUE(node->hear(Epoch(7)));
  std::filesystem::remove(path_ / "NODE");
  for (const std::uint64_t epoch : {7U, 6U, 0U}) ASSERT_TRUE(node->hear(Epoch(epoch)));
  EXPECT_EQ(content(), "");
  ASSERT_TRUE(node->hear(Epoch(8)));
  EXPECT_NE(content(), "");
}

TEST_F(NodeFileTest, PromiseNeverGoesDown) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto node = open();
  ASSERT_TRUE(node->promise(Epoch(7)));
  EXPECT_DEATH((void)node->promise(Epoch(6)), "never goes down");
}

TEST_F(NodeFileTest, EveryChangedByteIsNoticed) {
  ASSERT_TRUE(open()->promise(Epoch(12345)));
  ASSERT_TRUE(open()->hear(Epoch(67890)));
  const std::string whole = content();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    write(changed);
    const ErrorCode code = open_error().code;
    EXPECT_TRUE(code == ErrorCode::corruption || code == ErrorCode::too_new) << changed;
    write(whole.substr(0, i));
    EXPECT_EQ(open_error().code, ErrorCode::corruption) << whole.substr(0, i);
  }
  write(whole + "\n");
  EXPECT_EQ(open_error().code, ErrorCode::corruption);
  EXPECT_THAT(open_error().detail, HasSubstr((path_ / "NODE").string() + " is damaged"));
  write(whole);
  EXPECT_EQ(open()->promised(), Epoch(12345));
  EXPECT_EQ(open()->heard(), Epoch(67890));
}

TEST_F(NodeFileTest, NewerVersionIsRefused) {
  open();
  write("zeolite-node 3\nsomething else\n");
  EXPECT_EQ(open_error().code, ErrorCode::too_new);
}

TEST_F(NodeFileTest, DirectoryOfSomethingElseStaysAsItIs) {
  std::filesystem::create_directories(path_);
  std::ofstream(path_ / "letter.txt") << "dear";
  EXPECT_EQ(open_error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(content(), "");
}

TEST_F(NodeFileTest, DatabaseIsMadeBesideItAndItBesideADatabase) {
  RocksStoreOptions options;
  options.directory = path_;
  options.reserve_bytes = 0;
  options.wal_file_bytes = 0;
  options.cluster_id.emplace().fill(9);
  options.lock = DirectoryLock::take(path_, DirectoryLock::Access::create).value();
  const Id128 id = NodeFile::open(options.lock).value()->id();
  EXPECT_FALSE(DataDirectory::read_cluster_id(path_).value()) << "an empty standby";
  {
    const auto store = RocksObjectStore::open(options);
    ASSERT_TRUE(store) << store.error().to_string();
    EXPECT_EQ(NodeFile::open(options.lock).value()->id(), id);
  }
  EXPECT_EQ(DataDirectory::read_cluster_id(path_).value(), options.cluster_id);
  std::filesystem::remove(path_ / "NODE");
  EXPECT_NE(NodeFile::open(options.lock).value()->id(), id) << "a copy is another node";
}

TEST_F(NodeFileTest, FullDiskChangesNothing) {
  const auto disk = TinyDisk::mount();
  if (!disk) GTEST_SKIP() << "only root may mount a small disk: " << disk.error().detail;
  path_ = (*disk)->path() / "node";
  const auto node = open();
  ASSERT_TRUE(node->promise(Epoch(3)));
  const std::filesystem::path filler = (*disk)->path() / "filler";
  std::ofstream(filler) << std::string(4 << 20, 'x');
  EXPECT_EQ(node->promise(Epoch(4)).error().code, ErrorCode::out_of_space);
  EXPECT_EQ(node->promised(), Epoch(3));
  EXPECT_EQ(read_node_file(path_).value()->promised, Epoch(3));
  std::filesystem::remove(filler);
  EXPECT_TRUE(node->promise(Epoch(4))) << "with space it can be repeated";
  EXPECT_EQ(read_node_file(path_).value()->promised, Epoch(4));
}

// Ends a node that promises 5, and then one that promises 8.
bool expect_promise_survives(const std::string& crash_point) {
  const TemporaryDirectory directory;
  bool killed = false;
  Epoch before;
  Id128 id{};
  for (const std::uint64_t epoch : {5U, 8U}) {
    const bool ended = run_node("promise", directory.path(), std::to_string(epoch), crash_point);
    killed = killed || ended;
    const auto found = read_node_file(directory.path());
    EXPECT_TRUE(found) << found.error().to_string();
    if (!found || !*found) continue;
    EXPECT_GE((*found)->promised, before);
    EXPECT_TRUE((*found)->promised == Epoch(epoch) || ended) << "an answered promise is lost";
    EXPECT_TRUE(id == Id128{} || (*found)->id == id);
    before = (*found)->promised;
    id = (*found)->id;
  }
  EXPECT_FALSE(run_node("promise", directory.path(), "9", ""));
  EXPECT_EQ(read_node_file(directory.path()).value()->promised, Epoch(9));
  return killed;
}

TEST_F(NodeFileTest, KilledAtAnyPointThePromiseStandsAndNeverGoesDown) {
  for_each_crash("node.", expect_promise_survives);
  for_each_crash("replace.", expect_promise_survives);
}

// Ends a node that has promised 5 and hears of 8.
bool expect_heard_survives(const std::string& crash_point) {
  const TemporaryDirectory directory;
  EXPECT_FALSE(run_node("promise", directory.path(), "5", ""));
  const bool ended = run_node("hear", directory.path(), "8", crash_point);
  const auto found = read_node_file(directory.path());
  EXPECT_TRUE(found) << found.error().to_string();
  if (!found || !*found) return ended;
  EXPECT_EQ((*found)->promised, Epoch(5));
  EXPECT_TRUE((*found)->heard == Epoch(8) || (ended && (*found)->heard == Epoch(5)));
  return ended;
}

TEST_F(NodeFileTest, KilledAtAnyPointWhatWasHeardStandsAndThePromiseToo) {
  for_each_crash("replace.", expect_heard_survives);
}

}  // namespace
}  // namespace zeolite::storage::testing
