#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "model/ids.h"
#include "storage/object_store.h"

namespace zeolite::storage {

// Keys of the database, byte by byte as docs/storage-format.md has them. All numbers are
// big-endian, so that the byte order of keys is the order of what they name.

// Column families. The marks live in the family that RocksDB insists on, "default".
inline constexpr std::string_view kMetaFamily = "default";
inline constexpr std::string_view kLogFamily = "log";
inline constexpr std::string_view kRevisionsFamily = "revisions";
inline constexpr std::string_view kOutcomesFamily = "outcomes";

// Key in the meta family of the encoded Marks.
inline constexpr std::string_view kMarksKey = "marks";

// The part of a revision key that all revisions of one object share.
inline constexpr std::size_t kOidPrefixSize = 8;

// A key of fixed size; lives on the stack.
template <std::size_t N>
class FixedKey {
 public:
  [[nodiscard]] ByteView view() const { return {bytes_.data(), N}; }
  [[nodiscard]] char* data() { return bytes_.data(); }

 private:
  std::array<char, N> bytes_{};
};

// tid
[[nodiscard]] FixedKey<8> log_key(Tid tid);
// oid ‖ ~tid: an object's newest revision comes first.
[[nodiscard]] FixedKey<16> revision_key(Oid oid, Tid tid);
// session ‖ number
[[nodiscard]] FixedKey<24> outcome_key(const CommitId& id);

// The reverse; nothing when the key has not the right length.
[[nodiscard]] std::optional<Tid> parse_log_key(ByteView key);
[[nodiscard]] std::optional<RevisionKey> parse_revision_key(ByteView key);

}  // namespace zeolite::storage
