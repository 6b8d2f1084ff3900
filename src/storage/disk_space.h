#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "base/time.h"

namespace zeolite::storage {

// What a filesystem says about itself, in bytes.
struct DiskUsage {
  std::uint64_t free = 0;
  std::uint64_t total = 0;
};

// statvfs of the filesystem that `path` is on.
[[nodiscard]] Result<DiskUsage> read_disk_usage(const std::filesystem::path& path);

// Decides whether there is room to write. Refusing early matters: RocksDB that meets a full disk
// stops for good, while a refused append can be repeated when space returns.
//
// Thread: any; owned by the store.
class DiskSpace {
 public:
  // Asked at most every 100 ms.
  using Probe = std::function<Result<DiskUsage>()>;

  // `reserve` is kept free; when empty, a tenth of the filesystem but 16 MiB at least and 256 MiB
  // at most. `clock` must outlive this.
  DiskSpace(Probe probe, std::optional<std::uint64_t> reserve, const Clock& clock);

  // Whether `bytes` more can be written with the reserve left. Errors: out_of_space with the
  // figures (clears by itself), or what the probe says.
  [[nodiscard]] Result<> check(std::uint64_t bytes);

  // `bytes` were written since the last probe.
  void spent(std::uint64_t bytes);

  void set_reserve(std::uint64_t bytes);

 private:
  [[nodiscard]] std::uint64_t reserve_for(const DiskUsage& usage) const;

  const Probe probe_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // guards all below
  std::optional<std::uint64_t> reserve_;
  std::optional<DiskUsage> usage_;
  Instant probed_;
  std::uint64_t spent_ = 0;
};

}  // namespace zeolite::storage
