#include "blobs/blob_location.h"

#include "blobs/blob_fixture.h"

namespace zeolite::blobs::testing {
namespace {

namespace fs = std::filesystem;

class BlobLocation : public ::testing::Test {
 protected:
  BlobLocation() { fs::create_directory(data_); }

  const TemporaryDirectory directory_;
  const fs::path data_ = directory_ / "data";
  const fs::path elsewhere_ = directory_ / "elsewhere";
};

TEST_F(BlobLocation, IsInTheDatabaseUnlessTold) {
  EXPECT_EQ(locate_blobs(data_, {}), data_ / "blobs");
  EXPECT_EQ(locate_blobs(data_, data_ / "." / "blobs"), data_ / "blobs");
  EXPECT_TRUE(fs::is_empty(data_));
}

TEST_F(BlobLocation, ALinkRemembersAnotherPlace) {
  EXPECT_EQ(locate_blobs(data_, elsewhere_), elsewhere_);
  EXPECT_EQ(fs::read_symlink(data_ / "blobs"), elsewhere_);
  // Before the place is made, and afterwards.
  EXPECT_EQ(locate_blobs(data_, elsewhere_), elsewhere_);
  ASSERT_TRUE(BlobDirectory::open({.path = elsewhere_}));
  EXPECT_EQ(locate_blobs(data_, elsewhere_), elsewhere_);
  EXPECT_EQ(locate_blobs(data_, {}), data_ / "blobs");
  EXPECT_TRUE(BlobDirectory::open({.path = data_ / "blobs"}));
  fs::create_directory_symlink(elsewhere_, directory_ / "link");
  EXPECT_EQ(locate_blobs(data_, directory_ / "link"), directory_ / "link");
}

TEST_F(BlobLocation, BlobsAreNotLeftBehind) {
  ASSERT_TRUE(BlobDirectory::open({.path = data_ / "blobs"}));
  EXPECT_EQ(code_of(locate_blobs(data_, elsewhere_)), ErrorCode::invalid_argument);
  ASSERT_TRUE(locate_blobs(directory_.path(), elsewhere_));
  EXPECT_EQ(code_of(locate_blobs(directory_.path(), directory_ / "third")),
            ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace zeolite::blobs::testing
