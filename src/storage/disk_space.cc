#include "storage/disk_space.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "storage/file_descriptor.h"

namespace zeolite::storage {

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kReserveMin = 16 * kMiB;
constexpr std::uint64_t kReserveMax = 256 * kMiB;
constexpr Duration kProbeInterval = std::chrono::milliseconds(100);

std::string in_mib(std::uint64_t bytes) { return std::to_string(bytes / kMiB) + " MiB"; }

}  // namespace

Result<DiskUsage> read_disk_usage(const std::filesystem::path& path) {
  struct statvfs info{};
  if (::statvfs(path.c_str(), &info) != 0) return system_error("read free space of", path, errno);
  return DiskUsage{std::uint64_t{info.f_bavail} * info.f_frsize,
                   std::uint64_t{info.f_blocks} * info.f_frsize};
}

DiskSpace::DiskSpace(Probe probe, std::optional<std::uint64_t> reserve, const Clock& clock)
    : probe_(std::move(probe)), clock_(clock), reserve_(reserve) {}

Result<> DiskSpace::check(std::uint64_t bytes) {
  const Instant now = clock_.now().instant;
  const std::lock_guard lock(mutex_);
  if (!usage_ || now - probed_ >= kProbeInterval) {
    ASSIGN_OR_RETURN(usage_, probe_());
    probed_ = now;
    spent_ = 0;
  }
  const std::uint64_t free = usage_->free - std::min(usage_->free, spent_);
  const std::uint64_t reserve = reserve_for(*usage_);
  if (free >= reserve && free - reserve >= bytes) return {};
  return make_error(ErrorCode::out_of_space, "the disk is nearly full: " + in_mib(free) +
                                                 " free, " + in_mib(reserve) + " kept back and " +
                                                 in_mib(bytes) +
                                                 " needed to write; writes return when space does");
}

void DiskSpace::spent(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  spent_ += bytes;
}

void DiskSpace::set_reserve(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  reserve_ = bytes;
}

std::uint64_t DiskSpace::reserve_for(const DiskUsage& usage) const {
  return reserve_.value_or(std::clamp(usage.total / 10, kReserveMin, kReserveMax));
}

}  // namespace zeolite::storage
