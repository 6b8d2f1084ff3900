// Any bytes as an entry of the log: it is damaged, or it is exactly what we would write of it, so
// that the chain over it can be computed again.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "storage/record_codec.h"
#include "storage/removal_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zeolite;
  constexpr std::size_t kTidAt = 12;
  const ByteView value(reinterpret_cast<const char*>(data), size);
  const Tid tid(size < kTidAt + 8 ? 0 : get_u64(value.data() + kTidAt));
  const Result<LogEntry> entry = storage::decode_log_entry(tid, value);
  if (!entry) {
    CHECK(entry.error().code == ErrorCode::corruption, "another error than the contract's");
    return 0;
  }
  ByteView covered;
  ChainHash chain{};
  CHECK(storage::split_chain(value, covered, chain), "a whole entry has a chain");
  CHECK(chain == entry->position.chain, "the chain is at the end");
  CHECK(storage::encode_log_entry(*entry) == covered, "an entry has one encoding");
  CHECK(in_removal_order(entry->removed), "removals are in order");
  return 0;
}
