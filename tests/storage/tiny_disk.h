#pragma once

#include <sys/mount.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/error.h"
#include "storage/file_descriptor.h"
#include "storage/store_builders.h"

namespace zeolite::storage::testing {

// A small file system in memory, to be filled up. Needs root.
class TinyDisk {
 public:
  [[nodiscard]] static Result<std::unique_ptr<TinyDisk>> mount(int kibibytes = 2048) {
    auto disk = std::unique_ptr<TinyDisk>(new TinyDisk());
    const std::string size = "size=" + std::to_string(kibibytes) + "k";
    if (::mount("none", disk->path().c_str(), "tmpfs", 0, size.c_str()) != 0) {
      return system_error("mount", disk->path(), errno);
    }
    disk->mounted_ = true;
    return disk;
  }
  TinyDisk(const TinyDisk&) = delete;
  TinyDisk& operator=(const TinyDisk&) = delete;
  ~TinyDisk() {
    if (mounted_) ::umount2(path().c_str(), MNT_DETACH);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
  // Takes what space there is.
  void fill_up() const {
    std::ofstream ballast(path() / "ballast", std::ios::binary);
    const std::string block(4096, 'x');
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  // There is space again.
  void grow() const {
    if (::mount("none", path().c_str(), nullptr, MS_REMOUNT, "size=64m") != 0) std::abort();
  }

 private:
  TinyDisk() = default;

  TemporaryDirectory directory_;
  bool mounted_ = false;
};

}  // namespace zeolite::storage::testing
