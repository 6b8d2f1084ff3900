#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "filestorage/byte_source.h"

namespace zeolite::filestorage {

// A ByteSource read through a window of 1 MiB that follows the reading, so that going through a
// file from front to back takes few large reads, and a glance elsewhere a small one.
//
// Thread: one at a time. Owned by the reader.
class WindowedSource {
 public:
  static constexpr std::size_t kWindowBytes = std::size_t{1} << 20;

  explicit WindowedSource(std::unique_ptr<ByteSource> source) : source_(std::move(source)) {}

  [[nodiscard]] std::uint64_t size() const { return source_->size(); }

  // `count` bytes at `offset`, which lie within the source and fit the window; valid until the next
  // view(). Moves the window there unless it holds them. Errors: as ByteSource::read_at.
  [[nodiscard]] Result<ByteView> view(std::uint64_t offset, std::size_t count);

  // Copies `count` bytes at `offset`, which lie within the source, and leaves the window in place.
  [[nodiscard]] Result<> copy(std::uint64_t offset, char* out, std::size_t count) const;

  // Whether nothing but zeros lies between `offset` and the end. Moves the window.
  [[nodiscard]] Result<bool> only_zeros_from(std::uint64_t offset);

 private:
  [[nodiscard]] bool holds(std::uint64_t offset, std::size_t count) const;

  std::unique_ptr<ByteSource> source_;
  std::string window_;  // what the source has from offset_ on
  std::uint64_t offset_ = 0;
};

}  // namespace zeolite::filestorage
