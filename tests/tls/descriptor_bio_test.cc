#include "tls/descriptor_bio.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>

namespace zeolite::tls {
namespace {

class DescriptorBioTest : public ::testing::Test {
 protected:
  DescriptorBioTest() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()), 0);
    bio_.reset(new_descriptor_bio(ends_[0]));
  }
  ~DescriptorBioTest() override {
    close_far_end();
    ::close(ends_[0]);
  }
  void close_far_end() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

  struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
  };
  std::array<int, 2> ends_{-1, -1};
  std::unique_ptr<BIO, Free> bio_;
};

TEST_F(DescriptorBioTest, CarriesBytesBothWays) {
  EXPECT_EQ(BIO_write(bio_.get(), "abc", 3), 3);
  std::array<char, 8> buffer{};
  EXPECT_EQ(::read(ends_[1], buffer.data(), buffer.size()), 3);
  EXPECT_EQ(::write(ends_[1], "defg", 4), 4);
  EXPECT_EQ(BIO_read(bio_.get(), buffer.data(), 8), 4);
  EXPECT_EQ(std::string(buffer.data(), 4), "defg");
}

TEST_F(DescriptorBioTest, ASilentPeerIsWaitedFor) {
  char byte = 0;
  EXPECT_LE(BIO_read(bio_.get(), &byte, 1), 0);
  EXPECT_TRUE(BIO_should_read(bio_.get()));
  EXPECT_FALSE(BIO_eof(bio_.get()));
  EXPECT_EQ(last_failure(bio_.get()), 0);
}

TEST_F(DescriptorBioTest, ThePeersEndIsNoFailure) {
  close_far_end();
  char byte = 0;
  EXPECT_LE(BIO_read(bio_.get(), &byte, 1), 0);
  EXPECT_FALSE(BIO_should_retry(bio_.get()));
  EXPECT_TRUE(BIO_eof(bio_.get()));
  EXPECT_EQ(last_failure(bio_.get()), 0);
}

TEST_F(DescriptorBioTest, APeerThatDoesNotReadIsWaitedFor) {
  const std::string much(1 << 20, 'x');
  while (BIO_write(bio_.get(), much.data(), static_cast<int>(much.size())) > 0) {
  }
  EXPECT_TRUE(BIO_should_write(bio_.get()));
  EXPECT_EQ(last_failure(bio_.get()), 0);
}

// Without MSG_NOSIGNAL this would end the process.
TEST_F(DescriptorBioTest, WritingToNobodyIsAFailureAndNoSignal) {
  close_far_end();
  EXPECT_LE(BIO_write(bio_.get(), "abc", 3), 0);
  EXPECT_FALSE(BIO_should_retry(bio_.get()));
  EXPECT_EQ(last_failure(bio_.get()), EPIPE);
}

}  // namespace
}  // namespace zeolite::tls
