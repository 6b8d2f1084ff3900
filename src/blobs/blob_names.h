#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/ids.h"
#include "model/transaction_record.h"

// The names of blob files, as ZODB.blob writes them, and of our staged ones. Pure functions,
// thread-safe.
namespace zeolite::blobs {

// How ZODB spreads blob files over directories.
enum class Layout : std::uint8_t {
  bushy,  // one level per byte of the oid: what we write
  lawn,   // one directory per object: old, read only by imports
};

[[nodiscard]] std::string_view to_string(Layout layout);
// Of the text in a `.layout` file; white space around it does not count.
[[nodiscard]] std::optional<Layout> parse_layout(std::string_view text);

// The directory of an object's blobs, relative to the blob directory: bushy
// "0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a", lawn "0x012a" (no leading zero bytes).
[[nodiscard]] std::string object_directory(Layout layout, Oid oid);
// "0x03d1e0f1a2b3c4d5.blob": without leading zero bytes.
[[nodiscard]] std::string blob_file_name(Tid tid);

// The reverse of both, for exactly what they write; nothing for any other name.
[[nodiscard]] std::optional<std::uint8_t> parse_bushy_level(std::string_view name);
[[nodiscard]] std::optional<Tid> parse_blob_file_name(std::string_view name);

// What a staged file's name says: enough to find its revision in the log after a crash.
struct StagedName {
  Oid oid;
  BlobInfo info;
  std::uint64_t number = 0;  // makes it unique
  friend bool operator==(const StagedName&, const StagedName&) = default;
};
// "<oid>-<size>-<hash>-<number>.staged", each in hexadecimal.
[[nodiscard]] std::string format_staged_name(const StagedName& name);
[[nodiscard]] std::optional<StagedName> parse_staged_name(std::string_view name);

// A file that is being written: "<number>.upload".
[[nodiscard]] std::string upload_name(std::uint64_t number);
[[nodiscard]] std::optional<std::uint64_t> parse_upload_name(std::string_view name);

// Whether a client that shares the blob directory may name such a file for a blob: a bare name that
// ends in ".tmp", or ".tmp" and one more character.
[[nodiscard]] bool is_shared_upload_name(std::string_view name);

}  // namespace zeolite::blobs
