#include "wire/codec.h"

#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace zeolite::wire {

void encode(const Message& message, std::uint32_t request_id, std::string& out,
            std::size_t compress_from) {
  std::visit([&](const auto& m) { encode(m, request_id, out, compress_from); }, message);
}

namespace {

// As the one of the variant's messages that has the frame's type.
template <typename... Ms>
Result<Message> decode_one_of(const Frame& frame, std::type_identity<std::variant<Ms...>>) {
  const auto type = static_cast<MessageType>(frame.type);
  std::optional<Result<Message>> decoded;
  (void)((type == Ms::kType && (decoded.emplace(decode_as<Ms>(frame)), true)) || ...);
  if (decoded) return *std::move(decoded);
  return make_error(ErrorCode::protocol_error,
                    "a frame of unknown type " + std::to_string(frame.type));
}

}  // namespace

Result<Message> decode(const Frame& frame) {
  return decode_one_of(frame, std::type_identity<MessageVariant>{});
}

}  // namespace zeolite::wire
