#include "blobs/blob_record.h"

#include <cstdint>
#include <optional>

namespace zeolite::blobs {

namespace {

constexpr ByteView kModule = "ZODB.blob";
constexpr ByteView kClass = "Blob";

// Names of Lib/pickletools.py.
enum class Opcode : std::uint8_t {
  proto = 0x80,
  frame = 0x95,
  global = 'c',
  stack_global = 0x93,
  short_binunicode = 0x8c,
  binunicode = 'X',
  put = 'p',
  binput = 'q',
  long_binput = 'r',
  memoize = 0x94,
  stop = '.',
};

// Looks at opcodes one after the other; after the first surprise nothing fits any more.
class Opcodes {
 public:
  explicit Opcodes(ByteView bytes) : bytes_(bytes), reader_(bytes) {}

  // Steps over the next opcode if it is `wanted`.
  bool accept(Opcode wanted) {
    if (!reader_.ok() || reader_.remaining() == 0) return false;
    if (static_cast<std::uint8_t>(bytes_[bytes_.size() - reader_.remaining()]) !=
        static_cast<std::uint8_t>(wanted)) {
      return false;
    }
    return !reader_.take(1).empty();
  }
  bool skip(std::size_t n) { return reader_.take(n).size() == n; }
  // Up to a line feed, which is stepped over.
  std::optional<ByteView> line() {
    const ByteView rest = bytes_.substr(bytes_.size() - reader_.remaining());
    const std::size_t end = rest.find('\n');
    if (end == rest.npos) return std::nullopt;
    return reader_.take(end + 1).substr(0, end);
  }
  // Memo puts in between say nothing about the value.
  void skip_memo() {
    while (true) {
      if (accept(Opcode::binput)) {
        (void)skip(1);
      } else if (accept(Opcode::long_binput)) {
        (void)skip(4);
      } else if (accept(Opcode::put)) {
        if (!line()) return;
      } else if (!accept(Opcode::memoize)) {
        return;
      }
    }
  }
  // A pushed str.
  std::optional<ByteView> text() {
    std::size_t size = 0;
    if (accept(Opcode::short_binunicode)) {
      size = reader_.take_u8();
    } else if (accept(Opcode::binunicode)) {
      const ByteView little = reader_.take(4);
      if (little.size() != 4) return std::nullopt;
      size = __builtin_bswap32(get_u32(little.data()));
    } else {
      return std::nullopt;
    }
    const ByteView value = reader_.take(size);
    if (!reader_.ok()) return std::nullopt;
    skip_memo();
    return value;
  }

 private:
  ByteView bytes_;
  ByteReader reader_;
};

}  // namespace

bool is_blob_record(ByteView record) {
  Opcodes at(record);
  if (at.accept(Opcode::proto)) (void)at.skip(1);
  if (at.accept(Opcode::frame)) (void)at.skip(8);
  if (at.accept(Opcode::global)) {
    if (at.line() != kModule || at.line() != kClass) return false;
  } else if (at.text() != kModule || at.text() != kClass || !at.accept(Opcode::stack_global)) {
    return false;
  }
  at.skip_memo();
  return at.accept(Opcode::stop);
}

}  // namespace zeolite::blobs
