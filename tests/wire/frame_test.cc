#include "wire/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "wire/crc32c.h"

namespace zeolite::wire {
namespace {

constexpr std::size_t kBodyMax = 10'000;

std::string frame_bytes(std::string_view body, std::size_t compress_from = SIZE_MAX) {
  std::string out;
  append_frame(42, 7, body, compress_from, out);
  return out;
}

// `bytes`, at least 16 of them, at a chosen distance from a multiple of 8 in memory.
Bytes bytes_at(const std::string& bytes, std::size_t misalignment) {
  return Bytes(std::string(misalignment, '\0') + bytes).slice(misalignment, bytes.size());
}

bool is_aligned(const Bytes& bytes) {
  return reinterpret_cast<std::uintptr_t>(bytes.view().data()) % 8 == 0;
}

// Sets the checksum of the single frame in `bytes` right, after a change.
void mend_checksum(std::string& bytes, std::size_t body_length) {
  const std::uint32_t crc = crc32c(ByteView(bytes).substr(8, 8 + body_length));
  std::memcpy(bytes.data() + 4, &crc, sizeof crc);
}

std::string compressed_frame(std::uint32_t raw_length, std::string_view block) {
  std::string body(4, '\0');
  std::memcpy(body.data(), &raw_length, sizeof raw_length);
  body += block;
  std::string bytes = frame_bytes(body);
  bytes[9] = static_cast<char>(kFlagLz4);
  mend_checksum(bytes, body.size());
  return bytes;
}

Result<std::optional<Frame>> decode_one(const std::string& bytes, std::size_t body_max = kBodyMax) {
  FrameDecoder decoder(body_max);
  decoder.feed(Bytes::copy_of(bytes));
  return decoder.next();
}

void expect_refused(const std::string& bytes, std::string_view why) {
  const auto frame = decode_one(bytes);
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().code, ErrorCode::protocol_error);
  EXPECT_THAT(frame.error().detail, testing::HasSubstr(std::string(why)));
}

TEST(AppendFrame, LaysOutTheDocumentedBytes) {
  const std::string bytes = frame_bytes("hello");
  ASSERT_EQ(bytes.size(), 24U);
  EXPECT_EQ(bytes.substr(0, 4), std::string("\x05\0\0\0", 4));
  EXPECT_EQ(bytes.substr(8, 8), std::string("\x2A\0\0\0\x07\0\0\0", 8));
  EXPECT_EQ(bytes.substr(16), std::string("hello\0\0\0", 8));
  std::uint32_t crc;
  std::memcpy(&crc, bytes.data() + 4, sizeof crc);
  EXPECT_EQ(crc, crc32c(ByteView(bytes).substr(8, 13)));
}

TEST(AppendFrame, CompressesOnlyWhatGetsSmaller) {
  const std::string text(1000, 't');
  EXPECT_LT(frame_bytes(text, 1000).size(), 100U);
  EXPECT_EQ(frame_bytes(text, 1001).size(), 16U + 1000U);
  std::string noise;
  std::uint32_t state = 1;
  for (int i = 0; i < 1000; ++i) {
    state = state * 1664525U + 1013904223U;
    noise.push_back(static_cast<char>(state >> 24));
  }
  EXPECT_EQ(frame_bytes(noise, 0).size(), 16U + 1000U);
  EXPECT_EQ(frame_bytes("", 0).size(), 16U);
  EXPECT_EQ(frame_bytes("abc", 0).size(), 24U);
}

TEST(FrameDecoder, GivesBackEveryBodyWithAndWithoutCompression) {
  for (std::size_t size = 0; size < 300; ++size) {
    for (const std::size_t compress_from : {std::size_t{0}, SIZE_MAX}) {
      const std::string body(size, 'b');
      const auto frame = decode_one(frame_bytes(body, compress_from));
      ASSERT_TRUE(frame && *frame) << size;
      EXPECT_EQ((*frame)->type, 42);
      EXPECT_EQ((*frame)->request_id, 7U);
      EXPECT_EQ((*frame)->body.view(), body);
      EXPECT_TRUE(is_aligned((*frame)->body));
    }
  }
}

TEST(FrameDecoder, SharesTheMemoryOfTheInput) {
  const Bytes input(frame_bytes("hello") + frame_bytes("again"));
  FrameDecoder decoder(kBodyMax);
  decoder.feed(input);
  EXPECT_EQ(decoder.next().value()->body.view().data(), input.view().data() + 16);
  EXPECT_EQ(decoder.next().value()->body.view().data(), input.view().data() + 40);
  EXPECT_FALSE(decoder.next().value());
  EXPECT_EQ(decoder.buffered(), 0U);
}

TEST(FrameDecoder, TakesFramesInPiecesOfAnySize) {
  const std::vector<std::string> bodies = {"one", "", std::string(100, '2'), "three"};
  std::string stream;
  for (const std::string& body : bodies) append_frame(1, 1, body, 50, stream);
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    FrameDecoder decoder(kBodyMax);
    std::vector<std::string> got;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      decoder.feed(Bytes::copy_of(ByteView(stream).substr(at, piece)));
      while (true) {
        const auto frame = decoder.next();
        ASSERT_TRUE(frame) << frame.error().to_string();
        if (!*frame) break;
        EXPECT_TRUE(is_aligned((*frame)->body));
        got.emplace_back((*frame)->body.view());
      }
    }
    EXPECT_EQ(got, bodies) << piece;
    EXPECT_EQ(decoder.buffered(), 0U);
  }
}

TEST(FrameDecoder, CopiesInputThatIsNotAligned) {
  for (std::size_t misalignment = 0; misalignment < 8; ++misalignment) {
    FrameDecoder decoder(kBodyMax);
    decoder.feed(bytes_at(frame_bytes("hello"), misalignment));
    const auto frame = decoder.next();
    ASSERT_TRUE(frame && *frame);
    EXPECT_EQ((*frame)->body.view(), "hello");
    EXPECT_TRUE(is_aligned((*frame)->body));
  }
}

TEST(FrameDecoder, SharesInputThatContinuesTheAlignment) {
  const std::string stream = frame_bytes("first") + frame_bytes("second");
  FrameDecoder decoder(kBodyMax);
  decoder.feed(Bytes::copy_of(stream.substr(0, 3)));
  EXPECT_FALSE(decoder.next().value());
  EXPECT_EQ(decoder.buffered(), 3U);
  const Bytes rest = bytes_at(stream.substr(3), decoder.buffered() % 8);
  decoder.feed(rest);
  EXPECT_EQ(decoder.next().value()->body.view(), "first");
  EXPECT_EQ(decoder.next().value()->body.view().data(), rest.view().data() + 21 + 16);
}

TEST(FrameDecoder, FramesOutliveTheDecoderAndTheInput) {
  std::optional<Frame> frame;
  {
    FrameDecoder decoder(kBodyMax);
    const std::string bytes = frame_bytes(std::string(100, 'x'));
    decoder.feed(Bytes::copy_of(bytes.substr(0, 50)));
    EXPECT_FALSE(decoder.next().value());
    decoder.feed(Bytes::copy_of(bytes.substr(50)));
    frame = decoder.next().value();
  }
  EXPECT_EQ(frame->body.view(), std::string(100, 'x'));
}

TEST(FrameDecoder, AnyFlippedBitIsAnErrorOrAnIncompleteFrame) {
  for (const std::size_t compress_from : {std::size_t{0}, SIZE_MAX}) {
    const std::string bytes = frame_bytes(std::string(61, 'y'), compress_from);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string changed = bytes;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
      const auto frame = decode_one(changed);
      EXPECT_TRUE(!frame || !*frame) << bit;
    }
  }
}

TEST(FrameDecoder, AnyPrefixOfAFrameIsIncomplete) {
  const std::string bytes = frame_bytes(std::string(61, 'y'));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    FrameDecoder decoder(kBodyMax);
    decoder.feed(Bytes::copy_of(ByteView(bytes).substr(0, size)));
    const auto frame = decoder.next();
    ASSERT_TRUE(frame);
    EXPECT_FALSE(*frame);
    EXPECT_EQ(decoder.buffered(), size);
  }
}

TEST(FrameDecoder, RefusesAFrameOverTheLimitByItsHeaderAlone) {
  EXPECT_TRUE(decode_one(frame_bytes(std::string(kBodyMax, 'z'))).value());
  const std::string too_long = frame_bytes(std::string(kBodyMax + 1, 'z'));
  expect_refused(too_long.substr(0, 16), "a frame of 10001 bytes; the limit is 10000");
  // Also when the header comes in pieces.
  FrameDecoder decoder(kBodyMax);
  for (std::size_t at = 0; at < 15; ++at) {
    decoder.feed(Bytes::copy_of(too_long.substr(at, 1)));
    EXPECT_FALSE(decoder.next().value());
  }
  decoder.feed(Bytes::copy_of(too_long.substr(15, 1)));
  EXPECT_FALSE(decoder.next());
}

TEST(FrameDecoder, ANewLimitHoldsFromTheNextFrameOn) {
  FrameDecoder decoder(10);
  decoder.feed(Bytes(frame_bytes("hello") + frame_bytes(std::string(100, 'x'))));
  EXPECT_TRUE(decoder.next().value());
  decoder.set_body_max(100);
  EXPECT_TRUE(decoder.next().value());
}

TEST(FrameDecoder, RefusesBitsThatMustBeZero) {
  std::string bytes = frame_bytes("hello");
  bytes[9] = 2;
  mend_checksum(bytes, 5);
  expect_refused(bytes, "bits set that must be zero");
  bytes = frame_bytes("hello");
  bytes[11] = 1;
  mend_checksum(bytes, 5);
  expect_refused(bytes, "bits set that must be zero");
  bytes = frame_bytes("hello");
  bytes[23] = 1;
  expect_refused(bytes, "padding is not zero");
}

TEST(FrameDecoder, RefusesOtherProtocols) {
  expect_refused("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "bits set that must be zero");
}

TEST(FrameDecoder, ChecksWhatACompressedBodySaysOfItself) {
  const std::string block(50, '\x11');
  expect_refused(compressed_frame(kBodyMax + 1, block), "the limit is 10000");
  expect_refused(compressed_frame(0xFFFFFFFF, block), "the limit is 10000");
  expect_refused(compressed_frame(9'999, "abc"), "more than it can");
  expect_refused(compressed_frame(0, block), "damaged");
  expect_refused(compressed_frame(100, block), "damaged");
  expect_refused(compressed_frame(100, ""), "too short");
  // A good block with a raw length one off either way.
  const std::string good = frame_bytes(std::string(1000, 'g'), 0);
  std::uint32_t length;
  std::memcpy(&length, good.data(), sizeof length);
  const std::string good_block = good.substr(20, length - 4);
  EXPECT_TRUE(decode_one(compressed_frame(1000, good_block)).value());
  expect_refused(compressed_frame(999, good_block), "damaged");
  expect_refused(compressed_frame(1001, good_block), "damaged");
}

TEST(FrameDecoder, StaysFailed) {
  FrameDecoder decoder(kBodyMax);
  std::string bytes = frame_bytes("hello");
  bytes[16] = 'j';
  decoder.feed(Bytes(std::move(bytes)));
  const auto first = decoder.next();
  ASSERT_FALSE(first);
  decoder.feed(Bytes(frame_bytes("hello")));
  const auto second = decoder.next();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().detail, first.error().detail);
  EXPECT_EQ(decoder.buffered(), 0U);
}

TEST(FrameDecoder, HoldsNothingAheadOfTheBytes) {
  FrameDecoder decoder(kBodyMaxDefault);
  // A header that promises 64 MiB, then a byte at a time.
  std::string header = frame_bytes("");
  const auto length = static_cast<std::uint32_t>(kBodyMaxDefault);
  std::memcpy(header.data(), &length, sizeof length);
  decoder.feed(Bytes(std::move(header)));
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_FALSE(decoder.next().value());
    EXPECT_EQ(decoder.buffered(), 16 + i);
    decoder.feed(Bytes::copy_of("x"));
  }
}

}  // namespace
}  // namespace zeolite::wire
