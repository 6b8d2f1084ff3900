#include "wire/frame.h"

#include <lz4.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "wire/crc32c.h"

namespace zeolite::wire {

static_assert(std::endian::native == std::endian::little);

namespace {

constexpr std::size_t kLengthAt = 0;
constexpr std::size_t kChecksumAt = 4;
constexpr std::size_t kTypeAt = 8;
constexpr std::size_t kFlagsAt = 9;
constexpr std::size_t kReservedAt = 10;
constexpr std::size_t kRequestIdAt = 12;
// Checked bytes of the header: the length needs none, because a wrong one gives a wrong checksum.
constexpr std::size_t kCheckedAt = 8;
constexpr std::size_t kAlignment = 8;
constexpr std::size_t kRawLengthSize = 4;
// An lz4 block can not say more than this many bytes with one byte.
constexpr std::size_t kLz4RatioMax = 255;

constexpr std::size_t padded(std::size_t size) {
  return (size + kAlignment - 1) & ~(kAlignment - 1);
}

bool is_aligned(const char* p) { return std::bit_cast<std::uintptr_t>(p) % kAlignment == 0; }

template <typename Integer>
Integer get_little(const char* p) {
  Integer value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

template <typename Integer>
void set_little(char* p, Integer value) {
  std::memcpy(p, &value, sizeof value);
}

// A frame's whole length as its header tells, whatever the limit.
std::size_t frame_size(ByteView header) {
  return kFrameHeaderSize + padded(get_little<std::uint32_t>(header.data() + kLengthAt));
}

std::unexpected<Error> bad(std::string detail) {
  return make_error(ErrorCode::protocol_error, std::move(detail));
}

// Replaces the body by its compressed form when that is smaller; true when it did.
bool compress_body(std::size_t body_at, std::string& out) {
  const std::size_t raw_size = out.size() - body_at;
  if (raw_size <= kRawLengthSize + 1) return false;
  const std::size_t room = raw_size - kRawLengthSize - 1;
  const auto block = std::make_unique_for_overwrite<char[]>(room);
  const int size = LZ4_compress_default(out.data() + body_at, block.get(),
                                        static_cast<int>(raw_size), static_cast<int>(room));
  if (size <= 0) return false;
  const auto block_size = static_cast<std::size_t>(size);
  set_little(out.data() + body_at, static_cast<std::uint32_t>(raw_size));
  std::memcpy(out.data() + body_at + kRawLengthSize, block.get(), block_size);
  out.resize(body_at + kRawLengthSize + block_size);
  return true;
}

Result<Bytes> decompress_body(ByteView sent, std::size_t body_max) {
  if (sent.size() <= kRawLengthSize) return bad("a compressed body is too short to be one");
  const std::size_t raw_size = get_little<std::uint32_t>(sent.data());
  const ByteView block = sent.substr(kRawLengthSize);
  if (raw_size > body_max) {
    return bad("a compressed body says it holds " + std::to_string(raw_size) +
               " bytes; the limit is " + std::to_string(body_max));
  }
  if (raw_size > block.size() * kLz4RatioMax || raw_size > LZ4_MAX_INPUT_SIZE) {
    return bad("a compressed body says it holds more than it can");
  }
  int size = 0;
  std::string raw;
  // Not the length that the operation is given: libstdc++ 12 gives it the capacity.
  raw.resize_and_overwrite(raw_size, [&](char* to, std::size_t) {
    size = LZ4_decompress_safe(block.data(), to, static_cast<int>(block.size()),
                               static_cast<int>(raw_size));
    return raw_size;
  });
  if (size < 0 || static_cast<std::size_t>(size) != raw_size) {
    return bad("a compressed body is damaged");
  }
  return Bytes(std::move(raw));
}

}  // namespace

std::size_t begin_frame(std::string& out) {
  const std::size_t start = out.size();
  CHECK(start % kAlignment == 0, "a frame must start at a multiple of 8");
  out.append(kFrameHeaderSize, '\0');
  return start;
}

void finish_frame(std::size_t start, std::uint8_t type, std::uint32_t request_id,
                  std::size_t compress_from, std::string& out) {
  const std::size_t body_at = start + kFrameHeaderSize;
  CHECK(out.size() >= body_at, "finish_frame without begin_frame");
  CHECK(out.size() - body_at <= LZ4_MAX_INPUT_SIZE, "the body does not fit a frame");
  std::uint8_t flags = 0;
  if (out.size() - body_at >= compress_from && compress_body(body_at, out)) flags = kFlagLz4;

  const std::size_t sent_size = out.size() - body_at;
  char* const header = out.data() + start;
  set_little(header + kLengthAt, static_cast<std::uint32_t>(sent_size));
  set_little(header + kTypeAt, type);
  set_little(header + kFlagsAt, flags);
  set_little(header + kRequestIdAt, request_id);
  // Header bytes from kCheckedAt on and the body lie next to each other: one run.
  const ByteView checked(header + kCheckedAt, kFrameHeaderSize - kCheckedAt + sent_size);
  set_little(header + kChecksumAt, crc32c(checked));
  out.append(padded(sent_size) - sent_size, '\0');
}

void append_frame(std::uint8_t type, std::uint32_t request_id, ByteView body,
                  std::size_t compress_from, std::string& out) {
  const std::size_t start = begin_frame(out);
  out.append(body);
  finish_frame(start, type, request_id, compress_from, out);
}

void FrameDecoder::feed(Bytes input) {
  if (failed_) return;
  CHECK(input_.empty(), "all frames must be taken before more is fed");
  if (partial_.empty()) {
    input_ = std::move(input);
  } else {
    ByteView rest = input.view();
    const auto take_until = [&](std::size_t size) {
      if (partial_.size() >= size) return;
      const std::size_t taken = std::min(size - partial_.size(), rest.size());
      partial_.append(rest.substr(0, taken));
      rest.remove_prefix(taken);
    };
    take_until(kFrameHeaderSize);
    // The limit is next()'s business: nothing is allocated here beyond what was received.
    if (partial_.size() >= kFrameHeaderSize) take_until(frame_size(partial_));
    input_ = input.slice(input.size() - rest.size(), rest.size());
  }
  if (!is_aligned(input_.view().data())) input_ = Bytes::copy_of(input_.view());
}

Result<std::optional<Frame>> FrameDecoder::next() {
  if (failed_) return std::unexpected(*failed_);
  auto result = next_unless_failed();
  if (!result) {
    failed_ = result.error();
    partial_ = {};
    input_ = {};
  }
  return result;
}

Result<std::optional<Frame>> FrameDecoder::next_unless_failed() {
  const bool continued = !partial_.empty();
  const ByteView bytes = continued ? ByteView(partial_) : input_.view();
  std::optional<FrameHeader> header;
  if (bytes.size() >= kFrameHeaderSize) {
    ASSIGN_OR_RETURN(header, parse_header(bytes));
  }
  if (!header || bytes.size() < frame_size(bytes)) {
    if (!continued) {
      partial_ = bytes;
      input_ = {};
    }
    return std::nullopt;
  }
  if (continued) {
    const Bytes frame(std::move(partial_));
    partial_ = {};
    return open(*header, frame);
  }
  const std::size_t size = frame_size(bytes);
  const Bytes frame = input_.slice(0, size);
  input_ = size == bytes.size() ? Bytes() : input_.slice(size, bytes.size() - size);
  return open(*header, frame);
}

Result<FrameHeader> FrameDecoder::parse_header(ByteView bytes) const {
  const char* const p = bytes.data();
  const FrameHeader header{.body_length = get_little<std::uint32_t>(p + kLengthAt),
                           .type = get_little<std::uint8_t>(p + kTypeAt),
                           .flags = get_little<std::uint8_t>(p + kFlagsAt),
                           .request_id = get_little<std::uint32_t>(p + kRequestIdAt)};
  if ((header.flags & ~kFlagLz4) != 0 || get_little<std::uint16_t>(p + kReservedAt) != 0) {
    return bad("a frame header has bits set that must be zero; is this a Zeolite native port?");
  }
  if (header.body_length > body_max_) {
    return bad("a frame of " + std::to_string(header.body_length) + " bytes; the limit is " +
               std::to_string(body_max_));
  }
  return header;
}

Result<std::optional<Frame>> FrameDecoder::open(const FrameHeader& header,
                                                const Bytes& frame) const {
  const ByteView all = frame.view();
  const ByteView padding = all.substr(kFrameHeaderSize + header.body_length);
  if (padding.find_first_not_of('\0') != ByteView::npos) {
    return bad("a frame's padding is not zero");
  }
  const ByteView checked = all.substr(kCheckedAt, all.size() - padding.size() - kCheckedAt);
  if (crc32c(checked) != get_little<std::uint32_t>(all.data() + kChecksumAt)) {
    return bad("a frame's checksum is wrong: its bytes were damaged on the way");
  }
  Bytes body = frame.slice(kFrameHeaderSize, header.body_length);
  if ((header.flags & kFlagLz4) != 0) {
    ASSIGN_OR_RETURN(body, decompress_body(body.view(), body_max_));
  }
  return Frame{header.type, header.request_id, std::move(body)};
}

}  // namespace zeolite::wire
