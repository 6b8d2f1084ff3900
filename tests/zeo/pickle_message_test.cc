#include "zeo/pickle_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "zeo/sample_messages.h"

// What only pickles can hold.
namespace zeolite::zeo {
namespace {

using testing::HasSubstr;

Result<Call> read(std::string_view body) {
  return decode_call(Encoding::pickle, Bytes::copy_of(body));
}

TEST(PickleMessage, TheFixedHeartbeatOfOldClientsIsAccepted) {
  const auto call = read(std::string_view("(J\xff\xff\xff\xffK\0U\x06.replyNt.", 19));
  ASSERT_TRUE(call.has_value()) << call.error().detail;
  EXPECT_TRUE(call->heartbeat);
}

TEST(PickleMessage, CallsOfPython2AreAccepted) {
  // (1, False, 'loadBefore', (oid, tid)) in protocol 1.
  const auto call = read(std::string_view(
      "(K\x01I00\nU\x0aloadBefore(U\x08\0\0\0\0\0\0\0\x01U\x08\0\0\0\0\0\0\0\x02tt.", 43));
  ASSERT_TRUE(call.has_value()) << call.error().detail;
  EXPECT_EQ(call->method, "loadBefore");
  EXPECT_EQ(call->arguments.at(0), id_value(1));
}

TEST(PickleMessage, AListMayStandForTheTuple) {
  EXPECT_TRUE(read("](K\x01\x89\x8c\x04ping]e.").has_value());
}

TEST(PickleMessage, TransactionIdsMayBeOfAnySize) {
  const auto call = read("(\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x01\x89\x8c\x04ping)t.");
  ASSERT_TRUE(call.has_value()) << call.error().detail;
  EXPECT_TRUE(call->id.is<pickle::BigInteger>());
}

TEST(PickleMessage, ClassesAreRefused) {
  const auto call = read("(K\x01\x89\x8c\x04pingcos\nsystem\n\x8c\x02ls\x85R\x85t.");
  ASSERT_FALSE(call.has_value());
  EXPECT_EQ(call.error().code, ErrorCode::protocol_error);
  EXPECT_THAT(call.error().detail, HasSubstr("os.system"));
}

TEST(PickleMessage, ArgumentsTakeTheShortestTuple) {
  for (std::size_t count = 0; count < 6; ++count) {
    const std::vector<Value> arguments(count, number(5));
    std::string quick;
    pickle_message::encode_one_way("info", arguments, quick);
    std::string slow;
    pickle_message::encode_reply(number(0), false, Value(pickle::Tuple{arguments}), slow);
    // After the name both are the same.
    EXPECT_EQ(quick.substr(quick.find("info") + 4), slow.substr(slow.find(".reply") + 6)) << count;
  }
}

}  // namespace
}  // namespace zeolite::zeo
