#include "blobs/staging.h"

#include <sys/stat.h>

#include "blobs/blob_fixture.h"

namespace zeolite::blobs::testing {
namespace {

using StagedBlobTest = BlobFixture;

TEST_F(StagedBlobTest, WhatIsSealedHasItsHashInItsName) {
  auto blob = blobs().stage();
  ASSERT_TRUE(blob) << blob.error().to_string();
  ASSERT_TRUE(blob->append("some "));
  ASSERT_TRUE(blob->append("content"));
  ASSERT_TRUE(parse_upload_name(blob->name()));
  EXPECT_FALSE(blob->is_sealed());
  const auto info = blob->seal(Oid(7));
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(*info, info_of("some content"));
  EXPECT_TRUE(blob->is_sealed());
  EXPECT_EQ(blob->info(), *info);
  const auto name = parse_staged_name(blob->name());
  ASSERT_TRUE(name);
  EXPECT_EQ(name->oid, Oid(7));
  EXPECT_EQ(name->info, *info);
  EXPECT_EQ(waiting(), (std::vector<std::string>{blob->name()}));
  EXPECT_EQ(read_file(private_path() / blob->name()), "some content");
}

TEST_F(StagedBlobTest, WhatIsCompleteCanBeSealedLater) {
  auto blob = blobs().stage();
  ASSERT_TRUE(blob && blob->append("some content"));
  ASSERT_TRUE(blob->complete());
  ASSERT_TRUE(blob->complete());
  EXPECT_FALSE(blob->is_sealed());
  StagedBlob moved = *std::move(blob);
  const auto info = moved.seal(Oid(7));
  ASSERT_TRUE(info) << info.error().to_string();
  EXPECT_EQ(*info, info_of("some content"));
  EXPECT_EQ(read_file(private_path() / moved.name()), "some content");
}

TEST_F(StagedBlobTest, AnAbandonedOneIsGone) {
  {
    auto unfinished = blobs().stage();
    ASSERT_TRUE(unfinished && unfinished->append("half"));
    EXPECT_EQ(waiting().size(), 1U);
  }
  EXPECT_TRUE(waiting().empty());
  {
    const StagedBlob sealed = staged(Oid(1), "whole");
  }
  EXPECT_TRUE(waiting().empty());
}

TEST_F(StagedBlobTest, AReleasedOneStays) {
  std::string name;
  {
    StagedBlob blob = staged(Oid(1), "whole");
    name = blob.release();
  }
  EXPECT_EQ(waiting(), (std::vector<std::string>{name}));
}

TEST_F(StagedBlobTest, MovingItKeepsOneOwner) {
  StagedBlob a = staged(Oid(1), "a");
  StagedBlob b = staged(Oid(1), "b");
  a = std::move(b);
  EXPECT_EQ(a.info(), info_of("b"));
  EXPECT_EQ(waiting(), (std::vector<std::string>{a.name()}));
}

TEST_F(StagedBlobTest, EqualBlobsOfOneObjectHaveTheirOwnFiles) {
  const StagedBlob a = staged(Oid(1), "same");
  const StagedBlob b = staged(Oid(1), "same");
  EXPECT_NE(a.name(), b.name());
  EXPECT_EQ(waiting().size(), 2U);
}

TEST_F(StagedBlobTest, TheReserveOfTheDiskIsKept) {
  std::uint64_t free = 1000;
  reopen({.reserve_bytes = 100, .probe = [&] { return storage::DiskUsage{free, 10'000}; }});
  auto blob = blobs().stage();
  ASSERT_TRUE(blob);
  EXPECT_TRUE(blob->append(std::string(800, 'x')));
  EXPECT_TRUE(blobs().check_space(100));
  EXPECT_EQ(code_of(blobs().check_space(200)), ErrorCode::out_of_space);
  EXPECT_EQ(code_of(blob->append(std::string(200, 'x'))), ErrorCode::out_of_space);
  // It lacks a part now.
  EXPECT_EQ(code_of(blob->append("x")), ErrorCode::io_error);
  EXPECT_EQ(code_of(blob->seal(Oid(1))), ErrorCode::io_error);
}

TEST_F(StagedBlobTest, IsReadableForWhoMayReadTheDirectoryAndWritableForNobody) {
  std::filesystem::permissions(directory_ / "blobs", std::filesystem::perms(0750));
  reopen();
  const StagedBlob blob = staged(Oid(1), "x");
  struct stat status{};
  ASSERT_EQ(::stat((private_path() / blob.name()).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0440U);
}

TEST_F(StagedBlobTest, MayOutliveItsDirectory) {
  StagedBlob blob = staged(Oid(1), "x");
  blobs_.reset();
  blob = StagedBlob(std::move(blob));
  EXPECT_EQ(waiting().size(), 1U);
}

}  // namespace
}  // namespace zeolite::blobs::testing
