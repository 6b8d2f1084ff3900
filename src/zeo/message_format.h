#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

// What messages hold whatever their encoding.
namespace zeolite::zeo {

inline constexpr std::int64_t kOneWayId = 0;
inline constexpr std::int64_t kHeartbeatId = -1;
inline constexpr std::int64_t kResultFlag = 0;
inline constexpr std::int64_t kErrorFlag = 2;
inline constexpr std::string_view kReplyName = ".reply";
inline constexpr std::string_view kInvalidateName = "invalidateTransaction";
// Bytes of the length before each message, big-endian.
inline constexpr std::size_t kLengthBytes = 4;

// Bounds on what a client's message may unfold to. Calls are small: the largest parts are strings,
// which count once, and a transaction's extension, which may not be longer than 64 KiB.
inline constexpr std::size_t kCallDepthMax = 100;
inline constexpr std::size_t kCallValuesMax = 200'000;

}  // namespace zeolite::zeo
