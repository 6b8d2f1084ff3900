#include "filestorage/windowed_source.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::filestorage {

bool WindowedSource::holds(std::uint64_t offset, std::size_t count) const {
  return offset >= offset_ && offset - offset_ <= window_.size() &&
         count <= window_.size() - (offset - offset_);
}

Result<ByteView> WindowedSource::view(std::uint64_t offset, std::size_t count) {
  CHECK(count <= kWindowBytes, "a view larger than the window");
  if (!holds(offset, count)) {
    const std::uint64_t length = std::min<std::uint64_t>(kWindowBytes, size() - offset);
    window_.resize(static_cast<std::size_t>(length));
    offset_ = offset;
    if (auto read = source_->read_at(offset, window_.data(), window_.size()); !read) {
      window_.clear();
      return std::unexpected(std::move(read).error());
    }
  }
  return ByteView(window_).substr(static_cast<std::size_t>(offset - offset_), count);
}

Result<> WindowedSource::copy(std::uint64_t offset, char* out, std::size_t count) const {
  if (!holds(offset, count)) return source_->read_at(offset, out, count);
  window_.copy(out, count, static_cast<std::size_t>(offset - offset_));
  return {};
}

Result<bool> WindowedSource::only_zeros_from(std::uint64_t offset) {
  while (offset < size()) {
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(size() - offset, kWindowBytes));
    ASSIGN_OR_RETURN(const ByteView bytes, view(offset, count));
    if (bytes.find_first_not_of('\0') != ByteView::npos) return false;
    offset += count;
  }
  return true;
}

}  // namespace zeolite::filestorage
