#pragma once

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "blobs/blob_names.h"
#include "model/ids.h"

namespace zeolite::blobs {

// A blob directory that ZODB wrote, of either layout, to import from. Nothing in it is changed.
// Thread-safe.
class ZodbBlobFiles {
 public:
  // Without a `.layout` file the directories tell the layout.
  // Errors: not_found; invalid_argument (a ZEO client's cache, or an unknown layout); io_error.
  [[nodiscard]] static Result<ZodbBlobFiles> open(std::filesystem::path path);

  [[nodiscard]] Layout layout() const { return layout_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // The blob's file; nothing when there is none. Error: io_error.
  [[nodiscard]] Result<std::optional<std::filesystem::path>> find(Oid oid, Tid tid) const;

 private:
  ZodbBlobFiles(std::filesystem::path path, Layout layout)
      : path_(std::move(path)), layout_(layout) {}

  std::filesystem::path path_;
  Layout layout_;
};

}  // namespace zeolite::blobs
