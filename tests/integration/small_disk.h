#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

namespace zeolite::testing {

// A small filesystem of its own, for as long as the owner lives.
class SmallDisk {
 public:
  explicit SmallDisk(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::create_directory(path_);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=200m") == 0;
    if (!mounted_) why_ = std::strerror(errno);
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] const std::string& why() const { return why_; }

  // Takes all space but `left` bytes.
  void fill(std::uint64_t left) const {
    const std::uint64_t all = free();
    const int file = ::open(ballast().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ASSERT_GE(file, 0);
    EXPECT_EQ(::posix_fallocate(file, 0, static_cast<off_t>(all - left)), 0);
    ::close(file);
  }
  [[nodiscard]] std::uint64_t free() const { return std::filesystem::space(path_).available; }
  void release() const { std::filesystem::remove(ballast()); }

 private:
  [[nodiscard]] std::filesystem::path ballast() const { return path_ / "ballast"; }

  std::filesystem::path path_;
  bool mounted_ = false;
  std::string why_;
};

}  // namespace zeolite::testing
