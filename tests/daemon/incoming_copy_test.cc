#include "daemon/incoming_copy.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "storage/checkpoint_install.h"
#include "support/temporary_directory.h"

namespace zeolite::daemon {
namespace {

namespace fs = std::filesystem;
using replication::Follower;

constexpr Id128 kCluster{0xC1};

Position at(std::uint64_t tid) { return {Epoch(1), Tid(tid), {}}; }

// A copy of the files "a" and "b", of three bytes each.
wire::CheckpointBegin copy_named(std::uint8_t name, std::uint64_t tid) {
  return {.id = {name},
          .cluster_id = kCluster,
          .position = at(tid),
          .files = {{"records/a", 3}, {"records/b", 3}}};
}

wire::CheckpointChunk piece(std::uint32_t file, std::uint64_t offset, const std::string& data,
                            const std::string& whole) {
  wire::CheckpointChunk chunk{.file = file,
                              .offset = offset,
                              .data = Bytes::copy_of(data),
                              .last = offset + data.size() == 3};
  storage::FileHash hash;
  hash.update(whole);
  if (chunk.last) chunk.hash = hash.finish();
  return chunk;
}

class IncomingCopyTest : public ::testing::Test {
 protected:
  // Of a new connection, of a standby that needs everything up to `from`.
  wire::CheckpointRequest ask(std::uint64_t from = 5) {
    copy_ = std::make_unique<IncomingCopy>(directory_.path());
    return copy_->resume({.cluster = kCluster, .from = at(from)}).value();
  }
  std::string content(const std::string& name) const {
    std::ifstream in(incoming() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] fs::path incoming() const { return directory_.path() / storage::kIncomingFolder; }

  zeolite::testing::TemporaryDirectory directory_;
  std::unique_ptr<IncomingCopy> copy_;
};

TEST_F(IncomingCopyTest, IsWholeWithItsLastPiece) {
  EXPECT_EQ(ask(), wire::CheckpointRequest{.from = at(5)});
  EXPECT_FALSE(copy_->begin(copy_named(1, 9)).value().whole);
  EXPECT_FALSE(copy_->write(piece(0, 0, "ab", "")).value());
  EXPECT_FALSE(copy_->write(piece(0, 2, "c", "abc")).value());
  EXPECT_TRUE(copy_->write(piece(1, 0, "xyz", "xyz")).value());
  EXPECT_EQ(copy_->position(), at(9));
  EXPECT_EQ(content("records/a") + content("records/b"), "abcxyz");
  EXPECT_FALSE(copy_->write(piece(1, 0, "other", ""))) << "nothing of it is touched any more";
  EXPECT_EQ(content("records/b"), "xyz");
  EXPECT_FALSE(fs::exists(incoming() / "COMPLETE")) << "to install it is decided elsewhere";
}

// The process ended between the last piece and what was to be made of the copy.
TEST_F(IncomingCopyTest, OneThatWasCutOffAfterItsLastPieceIsWholeWhenItGoesOn) {
  ask();
  ASSERT_TRUE(copy_->begin(copy_named(1, 9)));
  ASSERT_TRUE(copy_->write(piece(0, 0, "abc", "abc")));
  ASSERT_TRUE(*copy_->write(piece(1, 0, "xyz", "xyz")));
  EXPECT_EQ(ask().file, 2U);
  EXPECT_TRUE(copy_->begin(copy_named(1, 9)).value().whole);
}

TEST_F(IncomingCopyTest, GoesOnWithWhatIsThere) {
  ask();
  ASSERT_TRUE(copy_->begin(copy_named(1, 9)));
  ASSERT_TRUE(copy_->write(piece(0, 0, "abc", "abc")));
  ASSERT_TRUE(copy_->write(piece(1, 0, "x", "")));
  EXPECT_EQ(ask(), (wire::CheckpointRequest{.id = {1}, .file = 1, .offset = 1, .from = at(5)}));
  EXPECT_EQ(copy_->begin(copy_named(1, 9)).value().present, 4U);
  EXPECT_TRUE(copy_->write(piece(1, 1, "yz", "xyz")).value());
}

// It has streamed since, from whoever, and what it confirmed may be acknowledged.
TEST_F(IncomingCopyTest, OneThatLacksWhatTheNodeHasByNowIsRemoved) {
  ask();
  ASSERT_TRUE(copy_->begin(copy_named(1, 9)));
  ASSERT_TRUE(copy_->write(piece(0, 0, "abc", "abc")));
  EXPECT_EQ(ask(10), wire::CheckpointRequest{.from = at(10)});
  EXPECT_FALSE(fs::exists(incoming()));
  const auto begun = copy_->begin(copy_named(1, 9));
  ASSERT_FALSE(begun) << "nor is one taken";
  EXPECT_EQ(begun.error().code, ErrorCode::protocol_error);
}

TEST_F(IncomingCopyTest, NothingOfOneCopyIsTakenForAnother) {
  ask();
  ASSERT_TRUE(copy_->begin(copy_named(1, 9)));
  ASSERT_TRUE(copy_->write(piece(0, 0, "abc", "abc")));
  ASSERT_TRUE(copy_->write(piece(1, 0, "x", "")));
  ask();
  EXPECT_EQ(copy_->begin(copy_named(2, 9)).value().present, 0U);
  EXPECT_FALSE(copy_->write(piece(1, 0, "xyz", "xyz")).value_or(false)) << "the first is missing";
  EXPECT_FALSE(fs::exists(incoming() / "records" / "a"));
}

TEST_F(IncomingCopyTest, ACopyOfAnotherClusterIsRefused) {
  ask();
  wire::CheckpointBegin other = copy_named(1, 9);
  other.cluster_id = Id128{0x77};
  EXPECT_FALSE(copy_->begin(other));
}

TEST_F(IncomingCopyTest, PiecesBeforeTheAnswerAreRefused) {
  ask();
  ASSERT_TRUE(copy_->begin(copy_named(1, 9)));
  ask();
  EXPECT_FALSE(copy_->write(piece(0, 0, "abc", "abc")));
}

TEST_F(IncomingCopyTest, AFileThatSaysWhatTheCopyIsIsNotInIt) {
  for (const char* name : {"BEGIN", "COMPLETE", "done/1", "done"}) {
    ask();
    wire::CheckpointBegin begin = copy_named(1, 9);
    begin.files.push_back({name, 1});
    EXPECT_FALSE(copy_->begin(begin)) << name;
  }
}

TEST_F(IncomingCopyTest, OneThatDoesNotFitOnTheDiskIsNotBegun) {
  ask();
  wire::CheckpointBegin begin = copy_named(1, 9);
  begin.files.push_back({"records/c", 1ULL << 60});
  const auto begun = copy_->begin(begin);
  ASSERT_FALSE(begun);
  EXPECT_NE(begun.error().detail.find("MiB"), std::string::npos);
}

TEST_F(IncomingCopyTest, WhatCanReplaceTheDatabaseNoMoreIsRemovedAtTheStart) {
  ask();
  ASSERT_TRUE(copy_->begin(copy_named(1, 9)));
  ASSERT_TRUE(IncomingCopy::remove_outdated(directory_.path(), at(8)));
  EXPECT_TRUE(fs::exists(incoming() / "BEGIN"));
  ASSERT_TRUE(IncomingCopy::remove_outdated(directory_.path(), at(9)));
  EXPECT_FALSE(fs::exists(incoming()));
}

}  // namespace
}  // namespace zeolite::daemon
