#include "client/commit_frames.h"

#include <gtest/gtest.h>

namespace zeolite::client_core {
namespace {

CommitRequest with_records(std::size_t count, std::size_t size) {
  CommitRequest request;
  request.metadata.user = "user";
  for (std::size_t i = 0; i < count; ++i) {
    request.writes.push_back(
        {Oid(i), Tid(1), false, std::make_shared<const std::string>(size, 'x')});
  }
  return request;
}

TEST(CommitFrames, ASmallTransactionIsOneMessage) {
  CommitRequest request = with_records(3, 10);
  request.writes.push_back({Oid(9), Tid(1), true, nullptr});
  request.reads.push_back({Oid(10), Tid(2)});
  const auto frames = commit_frames(request, false, 5, Tid(7), {1 << 20, 1 << 20});
  ASSERT_TRUE(frames);
  ASSERT_EQ(frames->size(), 1U);
  const auto& commit = std::get<wire::Commit>(frames->front());
  EXPECT_EQ(commit.number, 5U);
  EXPECT_EQ(commit.begun, Tid(7));
  EXPECT_EQ(commit.metadata.user, "user");
  EXPECT_EQ(commit.writes.size(), 4U);
  EXPECT_EQ(commit.writes[3].kind, RevisionKind::deletion);
  EXPECT_EQ(commit.reads.size(), 1U);
}

TEST(CommitFrames, ALargeTransactionIsStagedInPartsThatFit) {
  const auto frames = commit_frames(with_records(100, 1000), true, 5, Tid(7), {8192, 1 << 20});
  ASSERT_TRUE(frames);
  ASSERT_GT(frames->size(), 10U);
  std::size_t writes = 0;
  for (std::size_t i = 0; i + 1 < frames->size(); ++i) {
    const auto& stage = std::get<wire::Stage>((*frames)[i]);
    EXPECT_EQ(stage.number, 5U);
    EXPECT_LE(stage.writes.size(), 7U);
    writes += stage.writes.size();
  }
  writes += std::get<wire::Vote>(frames->back()).writes.size();
  EXPECT_EQ(writes, 100U);
}

TEST(CommitFrames, RefusesARecordThatFitsNoFrame) {
  const auto frames = commit_frames(with_records(1, 8192), false, 5, Tid(7), {8192, 1 << 20});
  ASSERT_FALSE(frames);
  EXPECT_EQ(frames.error().code, ErrorCode::invalid_argument);
}

TEST(CommitFrames, RefusesATransactionAboveTheServersLimit) {
  const auto frames = commit_frames(with_records(20, 1000), false, 5, Tid(7), {8192, 10'000});
  ASSERT_FALSE(frames);
  EXPECT_EQ(frames.error().code, ErrorCode::invalid_argument);
}

TEST(CommitFrames, CountsChecksOfReadsAsTheServerDoes) {
  CommitRequest request = with_records(1, 100);
  for (std::uint64_t i = 0; i < 200; ++i) request.reads.push_back({Oid(1000 + i), Tid(1)});
  EXPECT_FALSE(commit_frames(request, false, 5, Tid(7), {8192, 10'000}));
  EXPECT_TRUE(commit_frames(request, false, 5, Tid(7), {8192, 20'000}));
}

}  // namespace
}  // namespace zeolite::client_core
