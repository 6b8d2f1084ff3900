#include "daemon/blob_settler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "daemon/controlled_store.h"
#include "support/temporary_directory.h"

namespace zeolite::daemon {
namespace {

using namespace std::chrono_literals;

class BlobSettlerTest : public ::testing::Test {
 protected:
  void install(std::uint64_t tid) {
    blobs::StagedBlob blob = directory_->stage().value();
    ASSERT_TRUE(blob.append("content"));
    ASSERT_TRUE(blob.seal(Oid(1)));
    ASSERT_TRUE(directory_->install(blob.release(), Oid(1), Tid(tid)));
  }
  void look_after(std::chrono::seconds seconds) { settler_.look(Instant{seconds}); }

  const testing::TemporaryDirectory place_;
  std::unique_ptr<blobs::BlobDirectory> directory_ =
      blobs::BlobDirectory::open({.path = place_ / "blobs"}).value();
  boost::asio::thread_pool pool_{1};
  BlobSettler settler_{pool_, [](LogLevel, std::string_view why) { ADD_FAILURE() << why; }};
};

TEST_F(BlobSettlerTest, SettlesWhatWasInstalled) {
  settler_.add(*directory_);
  install(10);
  EXPECT_EQ(directory_->unsettled(), 1U);
  look_after(10s);
  pool_.join();
  EXPECT_EQ(directory_->unsettled(), 0U);
}

TEST_F(BlobSettlerTest, NotMoreOftenThanEveryTenSeconds) {
  settler_.add(*directory_);
  look_after(10s);
  install(10);
  look_after(19s);
  pool_.join();
  EXPECT_EQ(directory_->unsettled(), 1U);
}

// A slow disk must not take one thread after the other.
TEST_F(BlobSettlerTest, OneAtATime) {
  Gate gate;
  gate.shut();
  settler_.add(*directory_);
  install(10);
  boost::asio::post(pool_, [&gate] { gate.pass(); });
  look_after(10s);
  look_after(20s);
  gate.open();
  boost::asio::post(pool_, [this] { install(20); });  // behind the first
  pool_.join();
  EXPECT_EQ(directory_->unsettled(), 1U);
}

}  // namespace
}  // namespace zeolite::daemon
