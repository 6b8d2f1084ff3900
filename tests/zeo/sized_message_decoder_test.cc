#include "zeo/sized_message_decoder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace zeolite::zeo {
namespace {

std::string sized(ByteView message) {
  std::string out;
  put_u32(out, static_cast<std::uint32_t>(message.size()));
  return out.append(message);
}

// All messages that are complete.
std::vector<std::string> take(SizedMessageDecoder& decoder) {
  std::vector<std::string> messages;
  while (true) {
    const auto message = decoder.next();
    if (!message) {
      ADD_FAILURE() << message.error().detail;
      return messages;
    }
    if (!message->has_value()) return messages;
    messages.emplace_back((*message)->view());
  }
}

const std::vector<std::string> kMessages = {"first", "", "a longer third message", "x"};
std::string stream() {
  std::string all;
  for (const std::string& message : kMessages) all += sized(message);
  return all;
}

TEST(SizedMessageDecoder, CutsWhatCameAtOnce) {
  SizedMessageDecoder decoder(100);
  decoder.feed(Bytes(stream()));
  EXPECT_EQ(take(decoder), kMessages);
  EXPECT_EQ(decoder.buffered(), 0U);
}

TEST(SizedMessageDecoder, JoinsWhatCameInPieces) {
  const std::string all = stream();
  for (std::size_t piece = 1; piece <= all.size(); ++piece) {
    SizedMessageDecoder decoder(100);
    std::vector<std::string> got;
    for (std::size_t at = 0; at < all.size(); at += piece) {
      decoder.feed(Bytes(all.substr(at, piece)));
      for (std::string& message : take(decoder)) got.push_back(std::move(message));
    }
    EXPECT_EQ(got, kMessages) << piece;
    EXPECT_EQ(decoder.buffered(), 0U);
  }
}

TEST(SizedMessageDecoder, SharesTheMemoryOfWholeMessages) {
  const Bytes input(sized("message"));
  SizedMessageDecoder decoder(100);
  decoder.feed(input);
  const auto message = decoder.next();
  EXPECT_EQ((*message)->view().data(), input.view().data() + 4);
}

TEST(SizedMessageDecoder, HoldsOnlyWhatCame) {
  SizedMessageDecoder decoder(1 << 30);
  std::string begin;
  put_u32(begin, 1 << 30);
  decoder.feed(Bytes(begin + "abc"));
  EXPECT_TRUE(take(decoder).empty());
  EXPECT_EQ(decoder.buffered(), 7U);
}

TEST(SizedMessageDecoder, AMessageThatIsTooLongIsRefusedByItsLength) {
  std::string begin;
  put_u32(begin, 101);
  for (const std::size_t pieces : {1U, 4U}) {
    SizedMessageDecoder decoder(100);
    for (std::size_t at = 0; at < 4; at += 4 / pieces) {
      decoder.feed(Bytes(begin.substr(at, 4 / pieces)));
      if (at + 4 / pieces < 4) {
        EXPECT_TRUE(take(decoder).empty());
      }
    }
    const auto message = decoder.next();
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().code, ErrorCode::protocol_error);
  }
}

TEST(SizedMessageDecoder, TheLimitMayBeRaised) {
  SizedMessageDecoder decoder(3);
  decoder.feed(Bytes(sized("abc") + sized("abcd")));
  EXPECT_EQ((*decoder.next())->view(), "abc");
  decoder.set_message_max(4);
  EXPECT_EQ((*decoder.next())->view(), "abcd");
}

}  // namespace
}  // namespace zeolite::zeo
