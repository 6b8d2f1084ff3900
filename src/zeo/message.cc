#include "zeo/message.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "zeo/message_format.h"
#include "zeo/msgpack_message.h"
#include "zeo/pickle_message.h"

namespace zeolite::zeo {
namespace {

std::vector<Value>* sequence(Value& value) {
  if (auto* tuple = value.get<pickle::Tuple>()) return &tuple->items;
  if (auto* list = value.get<pickle::List>()) return &list->items;
  return nullptr;
}

// What a part of a tuple may have. An oid or tid has 8 bytes; of another size it names nothing,
// which the answer tells.
constexpr std::size_t kIdPartMax = 64;
constexpr std::size_t kIntegerMax = 16;

bool is_id_part(const Value& value) {
  if (const Bytes* bytes = value.get<Bytes>()) return bytes->size() <= kIdPartMax;
  if (const auto* text = value.get<pickle::Text>()) return text->utf8.size() <= kIdPartMax;
  return value.is<pickle::None>() || value.is<std::int64_t>();
}

// It is kept until the call is answered.
bool is_id(const Value& value) {
  if (const auto* big = value.get<pickle::BigInteger>()) return big->bytes.size() <= kIntegerMax;
  if (const auto* tuple = value.get<pickle::Tuple>()) {
    return tuple->items.size() == 2 && std::ranges::all_of(tuple->items, is_id_part);
  }
  return value.is<std::int64_t>();
}

// A flag is a bool or a number.
std::optional<bool> truth(const Value& value) {
  if (const bool* flag = value.get<bool>()) return *flag;
  if (const std::int64_t* number = value.get<std::int64_t>()) return *number != 0;
  return std::nullopt;
}

// Text, or bytes as Python 2 wrote names.
std::optional<std::string> name_of(Value& value) {
  if (auto* text = value.get<pickle::Text>()) return std::move(text->utf8);
  if (const Bytes* bytes = value.get<Bytes>()) return std::string(bytes->view());
  return std::nullopt;
}

std::unexpected<Error> bad_call(const char* what) {
  return make_error(ErrorCode::protocol_error, std::string("a client's message ") + what);
}

Result<Call> call_of(Value& message) {
  std::vector<Value>* parts = sequence(message);
  if (parts == nullptr || parts->size() != 4) return bad_call("is not a sequence of four");
  Call call;
  call.id = std::move((*parts)[0]);
  if (!is_id(call.id)) return bad_call("has an id that is neither number nor pair");
  call.heartbeat = call.id == Value(kHeartbeatId);
  if (call.heartbeat) return call;
  const std::optional<bool> one_way = truth((*parts)[1]);
  if (!one_way) return bad_call("has a flag that is neither true nor false");
  call.one_way = *one_way;
  std::optional<std::string> method = name_of((*parts)[2]);
  if (!method) return bad_call("names no method");
  call.method = std::move(*method);
  std::vector<Value>* arguments = sequence((*parts)[3]);
  if (arguments == nullptr) return bad_call("has arguments that are no tuple");
  call.arguments = std::move(*arguments);
  return call;
}

// What a list of objects takes for each, and what is around it, at most; in either encoding.
constexpr std::size_t kOidBytesMax = 11;
constexpr std::size_t kAnswerOverhead = 256;

// Sets the length of the message that begins at `start`, where there is room for it, to the end.
void set_length(std::size_t start, std::string& out) {
  const std::size_t size = out.size() - start - kLengthBytes;
  CHECK(size <= std::numeric_limits<std::uint32_t>::max(), "a message of more than 4 GiB");
  std::string length;
  put_u32(length, static_cast<std::uint32_t>(size));
  out.replace(start, kLengthBytes, length);
}

// Appends what `put` appends, with its length before it.
template <typename Put>
void put_sized(std::string& out, Put put) {
  const std::size_t start = out.size();
  out.append(kLengthBytes, '\0');
  put();
  set_length(start, out);
}

void encode_reply(Encoding encoding, const Value& id, bool is_error, const Value& value,
                  std::string& out) {
  put_sized(out, [&] {
    if (encoding == Encoding::pickle) {
      pickle_message::encode_reply(id, is_error, value, out);
    } else {
      msgpack_message::encode_reply(id, is_error, value, out);
    }
  });
}

}  // namespace

Result<Call> decode_call(Encoding encoding, const Bytes& body) {
  Result<Value> message =
      encoding == Encoding::pickle ? pickle_message::decode(body) : msgpack_message::decode(body);
  if (!message) {
    return make_error(ErrorCode::protocol_error,
                      "a client's message cannot be read: " + std::move(message).error().detail);
  }
  return call_of(*message);
}

void encode_result(Encoding encoding, const Value& id, const Value& result, std::string& out) {
  encode_reply(encoding, id, false, result, out);
}

void encode_exception(Encoding encoding, const Value& id, const Exception& exception,
                      std::string& out) {
  const Value error = Value::tuple(Value::text(exception.class_name), exception.state);
  encode_reply(encoding, id, true, error, out);
}

void encode_one_way(Encoding encoding, std::string_view method, std::span<const Value> arguments,
                    std::string& out) {
  put_sized(out, [&] {
    if (encoding == Encoding::pickle) {
      pickle_message::encode_one_way(method, arguments, out);
    } else {
      msgpack_message::encode_one_way(method, arguments, out);
    }
  });
}

void encode_loaded(Encoding encoding, const Value& id, ByteView data, Tid tid, Tid end,
                   std::string& out) {
  put_sized(out, [&] {
    if (encoding == Encoding::pickle) {
      pickle_message::encode_loaded(id, data, tid, end, out);
    } else {
      msgpack_message::encode_loaded(id, data, tid, end, out);
    }
  });
}

void encode_invalidation(Encoding encoding, Tid tid, std::span<const Oid> oids, std::string& out) {
  put_sized(out, [&] {
    if (encoding == Encoding::pickle) {
      pickle_message::encode_invalidation(tid, oids, out);
    } else {
      msgpack_message::encode_invalidation(tid, oids, out);
    }
  });
}

InvalidationsAnswer::InvalidationsAnswer(Encoding encoding, const Value& id,
                                         std::span<const Oid> oids)
    : encoding_(encoding), message_(kLengthBytes, '\0') {
  message_.reserve(kLengthBytes + kAnswerOverhead + oids.size() * kOidBytesMax);
  tid_at_ = encoding == Encoding::pickle ? pickle_message::begin_invalidations(id, oids, message_)
                                         : msgpack_message::begin_invalidations(id, oids, message_);
}

std::string InvalidationsAnswer::finish(Tid tid, std::span<const Oid> more) && {
  if (encoding_ == Encoding::pickle) {
    pickle_message::end_invalidations(more, message_);
  } else {
    msgpack_message::end_invalidations(tid_at_, more, message_);
  }
  std::string bytes;
  put_u64(bytes, tid.value());
  message_.replace(tid_at_, bytes.size(), bytes);
  set_length(0, message_);
  return std::move(message_);
}

}  // namespace zeolite::zeo
