#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/bytes.h"
#include "base/error.h"

namespace zeolite::filestorage {

// Bytes at offsets: a file, or memory in tests and fuzzing. The size is what it was when the source
// was made; a file may grow behind it, and what grew is not seen.
//
// Thread: one at a time. Owned by the reader that was given it.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  [[nodiscard]] virtual std::uint64_t size() const = 0;

  // Fills `out` with `count` bytes from `offset`. Precondition: offset + count <= size().
  // Errors: io_error, also when a file has become shorter than size() meanwhile.
  [[nodiscard]] virtual Result<> read_at(std::uint64_t offset, char* out,
                                         std::size_t count) const = 0;
};

// Opens a regular file for reading. It is read with pread, never mapped: a mapped file that someone
// shortens ends the process. Errors: not_found, io_error, invalid_argument (not a regular file).
[[nodiscard]] Result<std::unique_ptr<ByteSource>> open_file_source(
    const std::filesystem::path& path);

// Borrows `bytes`, which must outlive the source.
[[nodiscard]] std::unique_ptr<ByteSource> make_memory_source(ByteView bytes);

}  // namespace zeolite::filestorage
