#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace zeolite::wire {

// CRC-32C (Castagnoli): polynomial 0x1EDC6F41, reflected 0x82F63B78, initial value and final xor
// 0xFFFFFFFF, as in RFC 3720 appendix B.4. With SSE 4.2 where the processor has it.

// The checksum of `bytes`; `before` is that of the bytes that come before them (0: none).
[[nodiscard]] std::uint32_t crc32c(ByteView bytes, std::uint32_t before = 0);

// The same by tables, on any processor; crc32c chooses. Named for the test that compares the two.
[[nodiscard]] std::uint32_t crc32c_by_table(ByteView bytes, std::uint32_t before = 0);

}  // namespace zeolite::wire
