#include "daemon/zeo_blob_sender.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>

#include "daemon/zeo_blob_fixture.h"

namespace zeolite::daemon {
namespace {

using zeo::list;
using zeo::none;
using zeo::oid;
using zeo::text;
using zeo::value_of;
using ZeoBlobSenderTest = ZeoBlobTest;

TEST_F(ZeoBlobSenderTest, WhatIsCommittedIsSentBack) {
  for (const std::size_t size : {0U, 1U, 59'000U, 944'000U, 3'000'000U}) {
    SCOPED_TRACE(size);
    std::string content(size, ' ');
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 31 >> 3);
    peer_.begin();
    upload(peer_, size + 1, kNoTid, content);
    EXPECT_EQ(peer_.vote(), list({}));
    const Tid tid = peer_.finish();
    EXPECT_TRUE(download(peer_, size + 1, tid) == content);
  }
}

TEST_F(ZeoBlobSenderTest, ABlobThatIsNotThereIsAKeyError) {
  EXPECT_EQ(peer_.ask_error("sendBlob", {oid(1), value_of(Tid(5))}),
            (Exception{"ZODB.POSException.POSKeyError",
                       Value::tuple(text("No blob file"), oid(1), value_of(Tid(5)))}));
}

TEST_F(ZeoBlobSenderTest, AClientThatDoesNotReadHoldsOnePiece) {
  peer_.begin();
  upload(peer_, 1, kNoTid, std::string(20'000'000, 'a'));
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid tid = peer_.finish();
  peer_.call(40, "sendBlob", {oid(1), value_of(tid)});
  net::Peer other = connect();
  settle(other);
  EXPECT_LT(buffers_.used(), 2'000'000U);
  peer_.told("receiveBlobStart");
  std::size_t received = 0;
  while (received < 20'000'000) {
    received += peer_.told("receiveBlobChunk").at(2).get<Bytes>()->size();
  }
  peer_.told("receiveBlobStop");
  EXPECT_EQ(peer_.result(40), none());
}

// As threads of an application do that share a connection.
TEST_F(ZeoBlobSenderTest, AClientThatReadsMayAskForManyAtOnce) {
  constexpr std::size_t kSize = 2'000'000;
  constexpr std::int64_t kCalls = 40;
  peer_.begin();
  upload(peer_, 1, kNoTid, std::string(kSize, 'a'));
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid tid = peer_.finish();
  config_.outbound_bytes_max = 4'000'000;  // much less than the first pieces of all
  ZeoPeer reader = connect_zeo();
  for (std::int64_t call = 0; call < kCalls; ++call) {
    reader.call(call, "sendBlob", {oid(1), value_of(tid)});
  }
  net::Peer other = connect();
  settle(other);
  rest_pool();
  settle(other);
  EXPECT_LT(buffers_.used(), 9'000'000U);
  std::set<std::int64_t> answered;
  std::size_t received = 0;
  while (answered.size() < kCalls) {
    const zeo::ServerMessage message = reader.next();
    ASSERT_FALSE(message.name.empty());
    if (message.name == ".reply") {
      ASSERT_FALSE(message.error);
      answered.insert(*message.id.get<std::int64_t>());
    } else if (message.name == "receiveBlobChunk") {
      received += message.value.get<pickle::Tuple>()->items[2].get<Bytes>()->size();
    }
  }
  EXPECT_EQ(received, kCalls * kSize);
}

// More than may wait before its requests are not read for a while.
TEST_F(ZeoBlobSenderTest, ThousandsAreAnsweredOneAfterAnother) {
  constexpr std::int64_t kCalls = 2'500;
  peer_.begin();
  upload(peer_, 1, kNoTid, std::string(10'000, 'a'));
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid tid = peer_.finish();
  for (std::int64_t call = 0; call < kCalls; ++call) {
    // Every other one is of a blob that is not there.
    peer_.call(call, "sendBlob", {oid(call % 2 == 0 ? 1U : 2U), value_of(tid)});
  }
  for (std::int64_t replies = 0; replies < kCalls;) {
    const zeo::ServerMessage message = peer_.next();
    ASSERT_FALSE(message.name.empty());
    if (message.name != ".reply") continue;
    EXPECT_EQ(message.error, *message.id.get<std::int64_t>() % 2 == 1);
    ++replies;
  }
}

TEST_F(ZeoBlobSenderTest, LeavingInTheMiddleIsHarmless) {
  peer_.begin();
  upload(peer_, 1, kNoTid, std::string(20'000'000, 'a'));
  EXPECT_EQ(peer_.vote(), list({}));
  const Tid tid = peer_.finish();
  peer_.call(40, "sendBlob", {oid(1), value_of(tid)});
  peer_.told("receiveBlobStart");
  peer_.close();
  closed_.wait_for(1);
  net::Peer other = connect();
  settle(other);
}

}  // namespace
}  // namespace zeolite::daemon
