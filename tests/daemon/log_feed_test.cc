#include "daemon/log_feed.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "daemon/storage_engine_fixture.h"
#include "net/loopback_peer.h"

namespace zeolite::daemon {
namespace {

// The end of the log that the feed's standby has, and what it is sent.
class LogFeedTest : public StorageEngineTest, private net::FramedConnection::Handler {
 protected:
  LogFeedTest() {
    start();
    net::SocketPair pair = net::SocketPair::make(shard_.context(), far_context_);
    far_ = std::make_unique<boost::asio::ip::tcp::socket>(std::move(pair.far));
    shard_.run([&] {
      socket_ = std::make_shared<net::FramedConnection>(
          shard_, std::move(pair.near), static_cast<net::FramedConnection::Handler&>(*this),
          net::FramedConnection::Limits{});
      socket_->start();
      LogFeed::Environment environment;
      environment.shard = &shard_;
      environment.pool = &pool_;
      environment.engine = engine_.get();
      environment.ring = &ring_;
      environment.durable_bell = &bell_;
      environment.epoch = [this] { return engine_->epoch(); };
      feed_ = std::make_shared<LogFeed>(std::move(environment), socket_, kNoTid,
                                        [](const Error& why) { ADD_FAILURE() << why.detail; });
    });
  }
  // Not in the destructor: until then the shard calls this as a handler.
  void TearDown() override {
    shard_.run([&] {
      feed_->stop();
      socket_->detach();
    });
    pool_.join();
    shard_.stop();
    shard_.join();
  }

  struct Frame {
    std::size_t sent = 0;  // bytes, with everything
    bool compressed = false;
    wire::ReplicaAppend append;
  };
  // The next that the feed sends, made of what the log has by now.
  Frame next() {
    shard_.run([&] { feed_->pump(); });
    std::string bytes = read(wire::kFrameHeaderSize);
    std::uint32_t length = 0;  // little-endian, as the machine
    std::memcpy(&length, bytes.data(), sizeof length);
    Frame frame;
    frame.compressed = (bytes[9] & 1) != 0;
    bytes += read((length + 7) / 8 * 8);
    frame.sent = bytes.size();
    wire::FrameDecoder decoder(wire::kBodyMaxDefault);
    decoder.feed(Bytes(std::move(bytes)));
    frame.append =
        std::get<wire::ReplicaAppend>(wire::decode(decoder.next().value().value()).value());
    return frame;
  }

  static commit::StagedTransaction write_of(std::uint64_t oid, const std::string& data) {
    commit::StagedTransaction transaction = write(oid);
    transaction.writes[0].data = Bytes(std::string(data));
    return transaction;
  }

 private:
  void on_frame(wire::Frame /*frame*/) override {}
  void on_closed(const Error& /*why*/) override {}
  std::string read(std::size_t count) {
    std::string bytes(count, '\0');
    boost::system::error_code error;
    boost::asio::read(*far_, boost::asio::buffer(bytes), error);
    EXPECT_FALSE(error) << error.message();
    return bytes;
  }

  net::IoShard shard_{"feed"};
  boost::asio::thread_pool pool_{1};
  boost::asio::io_context far_context_;
  GroupRing ring_{1 << 20};  // nothing is in it: all is read from the log
  DurableBell bell_;
  std::unique_ptr<boost::asio::ip::tcp::socket> far_;
  std::shared_ptr<net::FramedConnection> socket_;
  std::shared_ptr<LogFeed> feed_;
};

TEST_F(LogFeedTest, CompressesWhatIsLargeWhereThatHelps) {
  EXPECT_FALSE(next().compressed) << "the record of the epoch";

  const std::string text(8 * kCompressGroupsFrom, 'x');
  commit(1, 1, write_of(1, text));
  const Frame smaller = next();
  EXPECT_TRUE(smaller.compressed);
  EXPECT_LT(smaller.sent, text.size() / 10);
  EXPECT_EQ(smaller.append.records.at(0).writes.at(0).data.view(), text);

  std::mt19937 random(1);
  std::string noise(text.size(), '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  commit(1, 2, write_of(2, noise));
  const Frame as_it_is = next();
  EXPECT_FALSE(as_it_is.compressed);
  EXPECT_GT(as_it_is.sent, noise.size());
  EXPECT_EQ(as_it_is.append.records.at(0).writes.at(0).data.view(), noise);

  commit(1, 3, write_of(3, text.substr(0, kCompressGroupsFrom / 2)));
  EXPECT_FALSE(next().compressed) << "a small one is not worth it";
}

}  // namespace
}  // namespace zeolite::daemon
