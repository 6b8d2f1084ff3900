#include "zeo/msgpack_message.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <climits>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

extern "C" {
#include <mpack.h>
}
// The header gives C a bool.
#undef bool

#include "base/check.h"
#include "pickle/text_arguments.h"
#include "pickle/unique_keys.h"
#include "pickle/utf8.h"
#include "zeo/message_format.h"

namespace zeolite::zeo::msgpack_message {
namespace {

using pickle::BigInteger;
using pickle::Dict;
using pickle::List;
using pickle::None;
using pickle::PathPrefix;
using pickle::Set;
using pickle::Text;
using pickle::Tuple;

// Decodes one message. Used once.
class Reader {
 public:
  explicit Reader(const Bytes& body) : body_(body), next_(body.view().data()), left_(body.size()) {}

  Result<Value> run() {
    std::optional<Value> whole;
    while (error_.empty() && !whole) {
      std::optional<Value> value = read_value();
      if (value) whole = place(std::move(*value));
    }
    if (error_.empty() && left_ != 0) error_ = "something follows it";
    if (error_.empty()) return std::move(*whole);
    return make_error(
        ErrorCode::invalid_argument,
        "msgpack cannot be read at byte " + std::to_string(body_.size() - left_) + ": " + error_);
  }

 private:
  // An array or map of which not all has been read.
  struct Open {
    bool is_map;
    std::uint64_t missing;  // of a map, keys and values
    std::vector<Value> items{};
  };

  std::optional<Value> fail(const char* what) {
    error_ = what;
    return std::nullopt;
  }

  // The next value that is complete by itself. Nothing when an array or map was opened, or after an
  // error.
  std::optional<Value> read_value() {
    if (++values_ > kCallValuesMax) return fail("it holds too many values");
    if (left_ == 0) return fail("it ends within a value");
    mpack_token_t token;
    const int status = mpack_read(&tokens_, &next_, &left_, &token);
    if (status == MPACK_EOF) return fail("it ends within a value");
    if (status != MPACK_OK) return fail("there is no such type");
    switch (token.type) {
      case MPACK_TOKEN_NIL:
        return Value(None{});
      case MPACK_TOKEN_BOOLEAN:
        return Value(token.data.value.lo != 0);
      case MPACK_TOKEN_UINT:
        return unsigned_integer(mpack_unpack_uint(token));
      case MPACK_TOKEN_SINT:
        return Value(static_cast<std::int64_t>(mpack_unpack_sint(token)));
      case MPACK_TOKEN_FLOAT:
        return Value(mpack_unpack_float(token));
      case MPACK_TOKEN_STR:
        return read_text(token.length);
      case MPACK_TOKEN_BIN:
        return read_bytes(token.length);
      case MPACK_TOKEN_ARRAY:
        return open({.is_map = false, .missing = token.length});
      case MPACK_TOKEN_MAP:
        return open({.is_map = true, .missing = std::uint64_t{token.length} * 2});
      default:
        return fail("there is no such type in a message");
    }
  }

  std::optional<Value> read_bytes(std::uint32_t length) {
    if (length > left_) return fail("a string is longer than what is left");
    const std::size_t offset = body_.size() - left_;
    if (length > 0) {
      mpack_token_t chunk;
      CHECK(mpack_read(&tokens_, &next_, &left_, &chunk) == MPACK_OK, "it is all there");
    }
    return Value(body_.slice(offset, length));
  }

  std::optional<Value> read_text(std::uint32_t length) {
    const std::optional<Value> bytes = read_bytes(length);
    if (!bytes) return std::nullopt;
    const ByteView utf8 = bytes->get<Bytes>()->view();
    if (!pickle::is_utf8(utf8, pickle::Surrogates::refused)) return fail("a text is not UTF-8");
    return Value::text(utf8);
  }

  static Value unsigned_integer(std::uint64_t number) {
    if (number <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return Value(static_cast<std::int64_t>(number));
    }
    std::string bytes(sizeof number + 1, '\0');
    for (std::size_t i = 0; i < sizeof number; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
    return Value(BigInteger{std::move(bytes)});
  }

  std::optional<Value> open(Open container) {
    if (open_.size() >= kCallDepthMax) return fail("values are nested too deep");
    if (container.missing == 0) return close(std::move(container));
    open_.push_back(std::move(container));
    return std::nullopt;
  }

  std::optional<Value> close(Open container) {
    if (!container.is_map) return Value(Tuple{std::move(container.items)});
    Dict dict;
    dict.items.reserve(container.items.size() / 2);
    for (std::size_t i = 0; i < container.items.size(); i += 2) {
      dict.items.emplace_back(std::move(container.items[i]), std::move(container.items[i + 1]));
    }
    if (!pickle::make_unique(dict)) return fail("a key cannot be one");
    return Value(std::move(dict));
  }

  // Puts a value where it belongs; the message when it was the last missing part.
  std::optional<Value> place(Value value) {
    while (!open_.empty()) {
      Open& container = open_.back();
      container.items.push_back(std::move(value));
      if (--container.missing > 0) return std::nullopt;
      std::optional<Value> closed = close(std::move(container));
      if (!closed) return std::nullopt;
      open_.pop_back();
      value = std::move(*closed);
    }
    return value;
  }

  const Bytes& body_;
  const char* next_;
  std::size_t left_;
  mpack_tokbuf_t tokens_{};
  std::vector<Open> open_;
  std::size_t values_ = 0;
  std::string error_;
};

void put_token(const mpack_token_t& token, std::string& out) {
  char buffer[MPACK_MAX_TOKEN_LEN];
  char* end = buffer;
  std::size_t room = sizeof buffer;
  mpack_tokbuf_t tokens{};
  CHECK(mpack_write(&tokens, &end, &room, &token) == MPACK_OK, "a token has room");
  out.append(buffer, sizeof buffer - room);
}

std::uint32_t count_of(std::size_t size) {
  CHECK(size <= std::numeric_limits<std::uint32_t>::max(), "4 GiB in one value");
  return static_cast<std::uint32_t>(size);
}

void put_array(std::size_t size, std::string& out) {
  put_token(mpack_pack_array(count_of(size)), out);
}

void put_text(std::string_view utf8, std::string& out) {
  put_token(mpack_pack_str(count_of(utf8.size())), out);
  out.append(utf8);
}

// Text that may hold lone surrogates. U+FFFD is as long as each of them.
void put_any_text(std::string_view utf8, std::string& out) {
  put_text(utf8, out);
  if (pickle::is_utf8(utf8, pickle::Surrogates::refused)) return;
  for (std::size_t i = out.size() - utf8.size(); i + 2 < out.size(); ++i) {
    const bool is_surrogate = out[i] == '\xED' && static_cast<unsigned char>(out[i + 1]) >= 0xA0;
    if (is_surrogate) out.replace(i, 3, "\xEF\xBF\xBD");
  }
}

void put_bytes(ByteView bytes, std::string& out) {
  put_token(mpack_pack_bin(count_of(bytes.size())), out);
  out.append(bytes);
}

// An oid or tid.
void put_id(std::uint64_t id, std::string& out) {
  put_token(mpack_pack_bin(sizeof id), out);
  put_u64(out, id);
}

// In the shortest form. mpack_write cuts some of the negative ones off.
void put_integer(std::int64_t number, std::string& out) {
  constexpr std::int64_t kFixMin = -32;
  if (number >= 0) {
    put_token(mpack_pack_uint(static_cast<std::uint64_t>(number)), out);
  } else if (number >= kFixMin) {
    out.push_back(static_cast<char>(number));
  } else if (number >= std::numeric_limits<std::int8_t>::min()) {
    out.push_back('\xD0');
    out.push_back(static_cast<char>(number));
  } else if (number >= std::numeric_limits<std::int16_t>::min()) {
    out.push_back('\xD1');
    put_u16(out, static_cast<std::uint16_t>(number));
  } else if (number >= std::numeric_limits<std::int32_t>::min()) {
    out.push_back('\xD2');
    put_u32(out, static_cast<std::uint32_t>(number));
  } else {
    out.push_back('\xD3');
    put_u64(out, static_cast<std::uint64_t>(number));
  }
}

// mpack_pack_float would shorten those that a float holds as well.
void put_float(double number, std::string& out) {
  const auto bits = std::bit_cast<std::uint64_t>(number);
  mpack_token_t token{};
  token.type = MPACK_TOKEN_FLOAT;
  token.length = sizeof bits;
  token.data.value.lo = static_cast<std::uint32_t>(bits);
  token.data.value.hi = static_cast<std::uint32_t>(bits >> 32);
  put_token(token, out);
}

void put_value(const Value& value, std::string& out);

void put_items(const std::vector<Value>& items, std::string& out) {
  put_array(items.size(), out);
  for (const Value& item : items) put_value(item, out);
}

struct ValueWriter {
  std::string& out;

  void operator()(None) const { put_token(mpack_pack_nil(), out); }
  void operator()(bool value) const { put_token(mpack_pack_boolean(value ? 1 : 0), out); }
  void operator()(std::int64_t number) const { put_integer(number, out); }
  void operator()(const BigInteger& number) const {
    const std::string& bytes = number.bytes;
    if (bytes.size() != sizeof(std::uint64_t) + 1 || bytes.back() != '\0') {
      put_bytes(bytes, out);
      return;
    }
    std::uint64_t value = 0;
    for (std::size_t i = sizeof value; i-- > 0;) {
      value = (value << 8) | static_cast<unsigned char>(bytes[i]);
    }
    put_token(mpack_pack_uint(value), out);
  }
  void operator()(double number) const { put_float(number, out); }
  void operator()(const Bytes& bytes) const { put_bytes(bytes.view(), out); }
  void operator()(const Text& text) const { put_any_text(text.utf8, out); }
  void operator()(const Tuple& tuple) const { put_items(tuple.items, out); }
  void operator()(const List& list) const { put_items(list.items, out); }
  void operator()(const Set& set) const { put_items(set.items, out); }
  // Python's msgpack refuses a map, and ZEO's client its connection's every later message, for a
  // key that is neither text nor bytes.
  void operator()(const Dict& dict) const {
    const auto is_told = [](const std::pair<Value, Value>& item) {
      return item.first.is<Text>() || item.first.is<Bytes>();
    };
    const auto told = static_cast<std::size_t>(std::ranges::count_if(dict.items, is_told));
    put_token(mpack_pack_map(count_of(told)), out);
    for (const auto& item : dict.items) {
      if (!is_told(item)) continue;
      put_value(item.first, out);
      put_value(item.second, out);
    }
  }
  void operator()(const PathPrefix& prefix) const {
    put_array(prefix.path.size(), out);
    for (const std::string& element : prefix.path) put_any_text(element, out);
  }
};

void put_value(const Value& value, std::string& out) {
  std::visit(ValueWriter{out}, value.storage());
}

constexpr std::size_t kParts = 4;
constexpr char kArray32 = '\xDD';

void begin_reply(const Value& id, std::int64_t flag, std::string& out) {
  put_array(kParts, out);
  put_value(id, out);
  put_integer(flag, out);
  put_text(kReplyName, out);
}

void begin_one_way(std::string_view method, std::string& out) {
  put_array(kParts, out);
  put_integer(kOneWayId, out);
  put_token(mpack_pack_boolean(1), out);
  put_text(method, out);
}

}  // namespace

Result<Value> decode(const Bytes& body) { return Reader(body).run(); }

void encode_reply(const Value& id, bool is_error, const Value& value, std::string& out) {
  begin_reply(id, is_error ? kErrorFlag : kResultFlag, out);
  put_value(value, out);
}

void encode_one_way(std::string_view method, std::span<const Value> arguments, std::string& out) {
  begin_one_way(method, out);
  put_array(arguments.size(), out);
  for (const Value& argument : arguments) put_value(argument, out);
}

void encode_loaded(const Value& id, ByteView data, Tid tid, Tid end, std::string& out) {
  begin_reply(id, kResultFlag, out);
  put_array(3, out);
  put_bytes(data, out);
  put_id(tid.value(), out);
  if (end.is_zero()) {
    put_token(mpack_pack_nil(), out);
  } else {
    put_id(end.value(), out);
  }
}

void encode_invalidation(Tid tid, std::span<const Oid> oids, std::string& out) {
  begin_one_way(kInvalidateName, out);
  put_array(2, out);
  put_id(tid.value(), out);
  put_array(oids.size(), out);
  for (const Oid oid : oids) put_id(oid.value(), out);
}

std::size_t begin_invalidations(const Value& id, std::span<const Oid> oids, std::string& out) {
  begin_reply(id, kResultFlag, out);
  put_array(2, out);
  put_id(0, out);
  const std::size_t tid_at = out.size() - sizeof(std::uint64_t);
  // In the long form, as there may be more.
  out.push_back(kArray32);
  put_u32(out, count_of(oids.size()));
  for (const Oid oid : oids) put_id(oid.value(), out);
  return tid_at;
}

void end_invalidations(std::size_t tid_at, std::span<const Oid> more, std::string& out) {
  for (const Oid oid : more) put_id(oid.value(), out);
  const std::size_t count_at = tid_at + sizeof(std::uint64_t) + sizeof kArray32;
  std::string count;
  put_u32(count, count_of(get_u32(out.data() + count_at) + more.size()));
  out.replace(count_at, count.size(), count);
}

}  // namespace zeolite::zeo::msgpack_message
