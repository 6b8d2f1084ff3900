#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>

namespace zeolite::storage::testing {

// A file system whose n-th write, sync, open, rename or directory sync fails, or whose n-th open
// for reading does. Counts what RocksDB does and how much it reads through it; thread-safe.
class FaultFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  enum class Fault {
    io_error,
    no_space
  };
  // What is counted, and fails.
  enum class Operations {
    changes,
    opens_for_reading
  };

  FaultFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  const char* Name() const override { return "FaultFileSystem"; }

  // The operation number `at` (1 = the next) fails; with `lasting` all later ones as well.
  void arm(std::uint64_t at, Fault fault, bool lasting) {
    fault_ = fault;
    lasting_ = lasting;
    fired_ = false;
    count_ = 0;
    at_ = at;
  }
  void disarm() { at_ = 0; }
  [[nodiscard]] bool fired() const { return fired_; }
  // Only files whose name ends so are looked at; empty: all. Before it is armed.
  void only(std::string suffix) { suffix_ = std::move(suffix); }
  // Changes, unless it is told otherwise. Before it is armed.
  void only(Operations operations) { operations_ = operations; }

  // Counts one operation on `name`; its failure if it is due.
  rocksdb::IOStatus step(const std::string& name, Operations operations = Operations::changes) {
    const std::uint64_t at = at_;
    if (at == 0 || operations != operations_ || !name.ends_with(suffix_)) {
      return rocksdb::IOStatus::OK();
    }
    const std::uint64_t now = ++count_;
    if (now != at && !(lasting_ && now > at)) return rocksdb::IOStatus::OK();
    fired_ = true;
    return fault_ == Fault::no_space ? rocksdb::IOStatus::NoSpace("injected")
                                     : rocksdb::IOStatus::IOError("injected");
  }

  // Bytes read, and syncs of the files of the write-ahead log, so far.
  std::atomic<std::uint64_t> bytes_read = 0;
  std::atomic<std::uint64_t> log_syncs = 0;

  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;

 private:
  std::string suffix_;
  Operations operations_ = Operations::changes;
  std::atomic<Fault> fault_ = Fault::io_error;
  std::atomic<bool> lasting_ = false;
  std::atomic<bool> fired_ = false;
  std::atomic<std::uint64_t> count_ = 0;
  std::atomic<std::uint64_t> at_ = 0;
};

class FaultFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(FaultFileSystem& files, std::string name,
            std::unique_ptr<rocksdb::FSWritableFile>&& file)
      : FSWritableFileOwnerWrapper(std::move(file)), files_(files), name_(std::move(name)) {}

  using FSWritableFileOwnerWrapper::Append;
  // A write that fails still writes half of what it should.
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = files_.step(name_);
    if (status.ok()) return FSWritableFileOwnerWrapper::Append(data, options, debug);
    const rocksdb::Slice half(data.data(), data.size() / 2);
    FSWritableFileOwnerWrapper::Append(half, options, debug).PermitUncheckedError();
    return status;
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* debug) override {
    if (name_.ends_with(".log")) ++files_.log_syncs;
    const rocksdb::IOStatus status = files_.step(name_);
    return status.ok() ? FSWritableFileOwnerWrapper::Sync(options, debug) : status;
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    if (name_.ends_with(".log")) ++files_.log_syncs;
    const rocksdb::IOStatus status = files_.step(name_);
    return status.ok() ? FSWritableFileOwnerWrapper::Fsync(options, debug) : status;
  }

 private:
  FaultFileSystem& files_;
  const std::string name_;
};

class CountedSequentialFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  CountedSequentialFile(FaultFileSystem& files, std::unique_ptr<rocksdb::FSSequentialFile>&& file)
      : FSSequentialFileOwnerWrapper(std::move(file)), files_(files) {}

  rocksdb::IOStatus Read(std::size_t size, const rocksdb::IOOptions& options,
                         rocksdb::Slice* result, char* scratch,
                         rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status =
        FSSequentialFileOwnerWrapper::Read(size, options, result, scratch, debug);
    files_.bytes_read += result->size();
    return status;
  }

 private:
  FaultFileSystem& files_;
};

class CountedRandomAccessFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  CountedRandomAccessFile(FaultFileSystem& files,
                          std::unique_ptr<rocksdb::FSRandomAccessFile>&& file)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), files_(files) {}

  rocksdb::IOStatus Read(std::uint64_t offset, std::size_t size, const rocksdb::IOOptions& options,
                         rocksdb::Slice* result, char* scratch,
                         rocksdb::IODebugContext* debug) const override {
    files_.bytes_read += size;
    return FSRandomAccessFileOwnerWrapper::Read(offset, size, options, result, scratch, debug);
  }
  rocksdb::IOStatus MultiRead(rocksdb::FSReadRequest* requests, std::size_t count,
                              const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override {
    for (std::size_t i = 0; i < count; ++i) files_.bytes_read += requests[i].len;
    return FSRandomAccessFileOwnerWrapper::MultiRead(requests, count, options, debug);
  }

 private:
  FaultFileSystem& files_;
};

class FaultDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  FaultDirectory(FaultFileSystem& files, std::unique_ptr<rocksdb::FSDirectory>&& directory)
      : FSDirectoryWrapper(std::move(directory)), files_(files) {}

  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = files_.step("");
    return status.ok() ? FSDirectoryWrapper::Fsync(options, debug) : status;
  }
  rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions& options,
                                        rocksdb::IODebugContext* debug,
                                        const rocksdb::DirFsyncOptions& what) override {
    const rocksdb::IOStatus status = files_.step("");
    return status.ok() ? FSDirectoryWrapper::FsyncWithDirOptions(options, debug, what) : status;
  }

 private:
  FaultFileSystem& files_;
};

inline rocksdb::IOStatus FaultFileSystem::NewSequentialFile(
    const std::string& name, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSSequentialFile>* file, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = step(name, Operations::opens_for_reading);
  if (!status.ok()) return status;
  status = FileSystemWrapper::NewSequentialFile(name, options, file, debug);
  if (status.ok()) *file = std::make_unique<CountedSequentialFile>(*this, std::move(*file));
  return status;
}

inline rocksdb::IOStatus FaultFileSystem::NewRandomAccessFile(
    const std::string& name, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSRandomAccessFile>* file, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = step(name, Operations::opens_for_reading);
  if (!status.ok()) return status;
  status = FileSystemWrapper::NewRandomAccessFile(name, options, file, debug);
  if (status.ok()) *file = std::make_unique<CountedRandomAccessFile>(*this, std::move(*file));
  return status;
}

inline rocksdb::IOStatus FaultFileSystem::NewWritableFile(
    const std::string& name, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* file, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = step(name);
  if (!status.ok()) return status;
  status = FileSystemWrapper::NewWritableFile(name, options, file, debug);
  if (status.ok()) *file = std::make_unique<FaultFile>(*this, name, std::move(*file));
  return status;
}

inline rocksdb::IOStatus FaultFileSystem::ReuseWritableFile(
    const std::string& name, const std::string& old_name, const rocksdb::FileOptions& options,
    std::unique_ptr<rocksdb::FSWritableFile>* file, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = step(name);
  if (!status.ok()) return status;
  status = FileSystemWrapper::ReuseWritableFile(name, old_name, options, file, debug);
  if (status.ok()) *file = std::make_unique<FaultFile>(*this, name, std::move(*file));
  return status;
}

inline rocksdb::IOStatus FaultFileSystem::NewDirectory(
    const std::string& name, const rocksdb::IOOptions& options,
    std::unique_ptr<rocksdb::FSDirectory>* directory, rocksdb::IODebugContext* debug) {
  rocksdb::IOStatus status = FileSystemWrapper::NewDirectory(name, options, directory, debug);
  if (status.ok()) *directory = std::make_unique<FaultDirectory>(*this, std::move(*directory));
  return status;
}

inline rocksdb::IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to,
                                                     const rocksdb::IOOptions& options,
                                                     rocksdb::IODebugContext* debug) {
  const rocksdb::IOStatus status = step(to);
  return status.ok() ? FileSystemWrapper::RenameFile(from, to, options, debug) : status;
}

}  // namespace zeolite::storage::testing
