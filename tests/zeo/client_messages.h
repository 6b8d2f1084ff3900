#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"
#include "pickle/codec.h"
#include "zeo/exceptions.h"
#include "zeo/message.h"
#include "zeo/msgpack_message.h"

// What a client of the ZEO port writes and reads.
namespace zeolite::zeo {

inline Value oid(std::uint64_t n) { return id_value(n); }
inline Value tid(std::uint64_t n) { return id_value(n); }
inline Value bytes(std::string_view text) { return Value::bytes(text); }
inline Value text(std::string_view utf8) { return Value::text(utf8); }
inline Value integer(std::int64_t n) { return Value(n); }
inline Value none() { return Value(pickle::None{}); }
inline Value list(std::vector<Value> items) { return Value(pickle::List{std::move(items)}); }
inline Value tuple(std::vector<Value> items) { return Value(pickle::Tuple{std::move(items)}); }
inline Value dict(std::vector<std::pair<std::string_view, Value>> items) {
  pickle::Dict result;
  for (auto& [key, value] : items) result.items.emplace_back(Value::text(key), std::move(value));
  return Value(std::move(result));
}

// (id, one way, method, arguments), without its length.
inline Bytes client_message(Encoding encoding, Value id, bool one_way, std::string_view method,
                            std::vector<Value> arguments) {
  const Value message =
      Value::tuple(std::move(id), Value(one_way), Value::text(method), tuple(std::move(arguments)));
  std::string body;
  if (encoding == Encoding::pickle) {
    pickle::encode(message, body);
    return Bytes(std::move(body));
  }
  // The value within the answer (0, 0, ".reply", value).
  encode_result(encoding, Value(std::int64_t{0}), message, body);
  return Bytes(body.substr(4 + 3 + 7));
}

// The message with its length.
inline std::string sized(ByteView message) {
  std::string out;
  put_u32(out, static_cast<std::uint32_t>(message.size()));
  return out.append(message);
}

// What a server's message says.
struct ServerMessage {
  Value id;
  bool one_way = false;
  bool error = false;
  std::string name;
  Value value;  // of a one-way message: the arguments
};

// `body` without its length. In msgpack, lists are read as tuples.
inline ServerMessage read_server_message(Encoding encoding, const Bytes& body) {
  const Result<Value> whole =
      encoding == Encoding::pickle ? pickle::decode(body) : msgpack_message::decode(body);
  const auto* parts = whole ? whole->get<pickle::Tuple>() : nullptr;
  if (parts == nullptr || parts->items.size() != 4) {
    ADD_FAILURE() << "not a message: " << to_hex(body.view());
    return {};
  }
  ServerMessage message;
  message.id = parts->items[0];
  const auto* flag = parts->items[1].get<std::int64_t>();
  const auto* one_way = parts->items[1].get<bool>();
  message.one_way = one_way != nullptr && *one_way;
  message.error = flag != nullptr && *flag == 2;
  message.name = parts->items[2].get<pickle::Text>()->utf8;
  message.value = parts->items[3];
  return message;
}

inline std::vector<ServerMessage> read_server_messages(Encoding encoding, ByteView output) {
  std::vector<ServerMessage> messages;
  while (output.size() >= 4) {
    const std::size_t length = get_u32(output.data());
    if (output.size() - 4 < length) break;
    messages.push_back(read_server_message(encoding, Bytes::copy_of(output.substr(4, length))));
    output.remove_prefix(4 + length);
  }
  EXPECT_TRUE(output.empty()) << "half a message";
  return messages;
}

// The exception that an answer is; the class name is empty when it is none.
inline Exception exception_in(const ServerMessage& message) {
  const auto* parts = message.value.get<pickle::Tuple>();
  if (!message.error || parts == nullptr || parts->items.size() != 2) {
    ADD_FAILURE() << "no exception";
    return {};
  }
  return {parts->items[0].get<pickle::Text>()->utf8, parts->items[1]};
}

inline bool operator==(const Exception& a, const Exception& b) {
  return a.class_name == b.class_name && a.state == b.state;
}

}  // namespace zeolite::zeo
