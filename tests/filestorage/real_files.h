#pragma once

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace zeolite::filestorage {

// Where a real Data.fs file is expected: in $ZEOLITE_SHARED_DATA, else beside the source tree. The
// files are not part of the project; tests that need one are skipped when it is not there.
inline std::filesystem::path real_file(std::string_view name) {
  const char* folder = std::getenv("ZEOLITE_SHARED_DATA");
  if (folder != nullptr) return std::filesystem::path(folder) / name;
  return std::filesystem::path(ZEOLITE_SOURCE_DIR) / ".." / "shared" / "data" / name;
}

}  // namespace zeolite::filestorage

// Skips the test when `path` is not there.
#define SKIP_WITHOUT_FILE(path)       \
  if (!std::filesystem::exists(path)) \
  GTEST_SKIP() << (path).string() << " is not there; set ZEOLITE_SHARED_DATA to its folder"
