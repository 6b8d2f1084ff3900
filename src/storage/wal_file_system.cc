#include "storage/wal_file_system.h"

#include <fcntl.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "storage/crash_point.h"
#include "storage/file_descriptor.h"

namespace zeolite::storage {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr std::string_view kLogSuffix = ".log";
constexpr std::string_view kSpareFile = "spare";
// Small enough that a commit's sync does not queue behind much of it.
constexpr std::size_t kZerosSize = 256 * 1024;

IOStatus injected_failure() { return IOStatus::IOError("made to fail by ZEOLITE_FAIL_POINT"); }

class WalFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* debug) override {
    if (fail_point("wal.append")) return injected_failure();
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* debug) override {
    if (fail_point("wal.append")) return injected_failure();
    return FSWritableFileOwnerWrapper::Append(data, options, verification, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    crash_point("wal.before_sync");
    if (fail_point("wal.sync")) return injected_failure();
    IOStatus status = FSWritableFileOwnerWrapper::Sync(options, debug);
    crash_point("wal.after_sync");
    return status;
  }
};

}  // namespace

WalFileSystem::WalFileSystem(const std::shared_ptr<rocksdb::FileSystem>& target,
                             const std::filesystem::path& directory, std::uint64_t file_size,
                             std::function<bool(std::uint64_t)> has_room)
    : FileSystemWrapper(target),
      spare_(directory / kSpareFile),
      file_size_(file_size),
      has_room_(std::move(has_room)) {
  if (file_size_ == 0) return;
  spare_ready_ = make_spare(std::stop_token());
  maker_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

WalFileSystem::~WalFileSystem() {
  if (file_size_ == 0) return;
  maker_.request_stop();
  maker_.join();
  ::unlink(spare_.c_str());
}

IOStatus WalFileSystem::NewWritableFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        IODebugContext* debug) {
  if (!name.ends_with(kLogSuffix)) return target()->NewWritableFile(name, options, file, debug);
  bool use_spare = false;
  {
    const std::lock_guard lock(mutex_);
    use_spare = spare_ready_;
    spare_ready_ = false;
  }
  IOStatus status;
  if (use_spare) {
    crash_point("wal.before_reuse");
    status = target()->ReuseWritableFile(name, spare_.string(), options, file, debug);
    crash_point("wal.after_reuse");
  } else {
    status = target()->NewWritableFile(name, options, file, debug);
  }
  if (status.ok()) *file = std::make_unique<WalFile>(std::move(*file));
  const std::lock_guard lock(mutex_);
  spare_wanted_ = true;
  wake_.notify_one();
  return status;
}

// Written, not only allocated: a block that is allocated but never written costs the same journal
// commit at its first sync that we are here to avoid.
bool WalFileSystem::make_spare(const std::stop_token& stop) const {
  if (!has_room_(file_size_)) return false;
  const FileDescriptor file(::open(spare_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.is_open()) return false;
  const std::vector<char> zeros(kZerosSize);
  std::uint64_t left = file_size_;
  while (left > 0 && !stop.stop_requested()) {
    const std::size_t wanted = std::min<std::uint64_t>(left, zeros.size());
    const ssize_t put = ::write(file.get(), zeros.data(), wanted);
    if (put <= 0) break;
    left -= static_cast<std::uint64_t>(put);
  }
  if (left == 0 && ::fdatasync(file.get()) == 0) return true;
  ::unlink(spare_.c_str());
  return false;
}

void WalFileSystem::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [this] { return spare_wanted_; })) {
    spare_wanted_ = false;
    if (spare_ready_) continue;
    lock.unlock();
    const bool made = make_spare(stop);
    lock.lock();
    spare_ready_ = made;
  }
}

}  // namespace zeolite::storage
