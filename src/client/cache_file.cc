#include "client/cache_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "wire/crc32c.h"

namespace zeolite::client_core {

namespace {

constexpr ByteView kMagic = "ZEOCACH1";
constexpr std::size_t kBlockBytes = 1 << 20;  // a block ends with the entry that reaches this
constexpr std::size_t kEntryHeaderBytes = 28;
// No block is longer than the largest record a server sends, and the rest.
constexpr std::size_t kBlockBytesMax = (std::size_t{64} << 20) + 2 * kBlockBytes;

std::unexpected<Error> io_failure(const std::string& what, const std::string& path) {
  return make_error(ErrorCode::io_error,
                    "cannot " + what + " " + path + ": " + std::strerror(errno));
}

std::unexpected<Error> damage(const std::string& path, const std::string& what) {
  return make_error(ErrorCode::corruption, "cache file " + path + " is damaged: " + what);
}

class File {
 public:
  explicit File(int fd) : file_(fd) {}
  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] bool is_open() const { return file_.is_open(); }

  [[nodiscard]] bool write_all(ByteView bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }
  // Exactly `n` bytes; nothing at the end of the file or on an error.
  [[nodiscard]] std::optional<std::string> read_exactly(std::size_t n) const {
    std::string bytes(n, '\0');
    for (std::size_t have = 0; have < n;) {
      const ssize_t got = ::read(fd(), bytes.data() + have, n - have);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return std::nullopt;
      have += static_cast<std::size_t>(got);
    }
    return bytes;
  }

 private:
  FileDescriptor file_;
};

std::string encode_header(const ConnectionView::Place& place, const std::string& storage) {
  std::string header(kMagic);
  put_id128(header, place.cluster_id);
  put_u64(header, place.position.epoch.value());
  put_tid(header, place.position.tid);
  put_id128(header, place.position.chain);
  put_u16(header, static_cast<std::uint16_t>(storage.size()));
  header += storage;
  put_u32(header, wire::crc32c(header));
  return header;
}

// The number is in the checksum, so that a block that is lost or out of place is found.
std::uint32_t block_checksum(ByteView entries, std::uint32_t number) {
  std::string suffix;
  put_u32(suffix, number);
  return wire::crc32c(suffix, wire::crc32c(entries));
}

// Gathers entries and writes them block by block.
class BlockWriter {
 public:
  explicit BlockWriter(const File& file) : file_(file) {}

  [[nodiscard]] bool add(const ObjectCache::Saved& saved) {
    put_oid(block_, saved.oid);
    put_tid(block_, saved.revision.tid);
    put_tid(block_, saved.revision.end);
    put_u32(block_, static_cast<std::uint32_t>(saved.revision.data->size()));
    block_ += *saved.revision.data;
    ++entries_;
    return block_.size() < kBlockBytes || write_block();
  }
  [[nodiscard]] bool finish() {
    if (!block_.empty() && !write_block()) return false;
    std::string trailer;
    put_u32(trailer, 0);
    put_u64(trailer, entries_);
    put_u32(trailer, wire::crc32c(trailer));
    return file_.write_all(trailer);
  }

 private:
  [[nodiscard]] bool write_block() {
    std::string length;
    put_u32(length, static_cast<std::uint32_t>(block_.size()));
    const std::uint32_t checksum = block_checksum(block_, blocks_++);
    put_u32(block_, checksum);
    const bool written = file_.write_all(length) && file_.write_all(block_);
    block_.clear();
    return written;
  }

  const File& file_;
  std::string block_;
  std::uint32_t blocks_ = 0;
  std::uint64_t entries_ = 0;
};

Result<ConnectionView::Place> read_header(const File& file, const std::string& path,
                                          const std::string& storage) {
  constexpr std::size_t kFixedBytes = 8 + 16 + 8 + 8 + 16 + 2;
  std::optional<std::string> header = file.read_exactly(kFixedBytes);
  if (!header || !header->starts_with(kMagic)) return damage(path, "it is not a cache file");
  ByteReader reader(ByteView(*header).substr(kMagic.size()));
  ConnectionView::Place place;
  place.cluster_id = id128_from(reader.take(16));
  place.position.epoch = Epoch(reader.take_u64());
  place.position.tid = Tid(reader.take_u64());
  place.position.chain = id128_from(reader.take(16));
  const std::optional<std::string> name = file.read_exactly(reader.take_u16());
  const std::optional<std::string> checksum = file.read_exactly(4);
  if (!name || !checksum || get_u32(checksum->data()) != wire::crc32c(*header + *name)) {
    return damage(path, "its header is wrong");
  }
  if (*name != storage) {
    return make_error(ErrorCode::invalid_argument, "cache file " + path + " is of storage '" +
                                                       *name + "', not '" + storage + "'");
  }
  return place;
}

// Puts a block's entries into the cache; false when they are not entries.
bool take_entries(ByteView entries, ObjectCache& cache, std::uint64_t& count) {
  ByteReader reader(entries);
  while (reader.remaining() >= kEntryHeaderBytes) {
    const Oid oid(reader.take_u64());
    ObjectCache::Revision revision;
    revision.tid = Tid(reader.take_u64());
    revision.end = Tid(reader.take_u64());
    const ByteView data = reader.take(reader.take_u32());
    if (!reader.ok()) return false;
    revision.data = std::make_shared<const std::string>(data);
    cache.insert(oid, std::move(revision));
    ++count;
  }
  return reader.remaining() == 0;
}

Result<> read_blocks(const File& file, const std::string& path, ObjectCache& cache) {
  std::uint64_t entries = 0;
  for (std::uint32_t number = 0;; ++number) {
    const std::optional<std::string> length_bytes = file.read_exactly(4);
    if (!length_bytes) return damage(path, "it ends too early");
    const std::size_t length = get_u32(length_bytes->data());
    if (length == 0) break;
    if (length > kBlockBytesMax) return damage(path, "a block's length is wrong");
    const std::optional<std::string> block = file.read_exactly(length + 4);
    if (!block) return damage(path, "it ends too early");
    const ByteView content = ByteView(*block).substr(0, length);
    if (get_u32(block->data() + length) != block_checksum(content, number)) {
      return damage(path, "the checksum of block " + std::to_string(number) + " does not fit");
    }
    if (!take_entries(content, cache, entries)) return damage(path, "a block holds no entries");
  }
  const std::optional<std::string> trailer = file.read_exactly(12);
  if (!trailer) return damage(path, "it ends too early");
  const std::string covered = std::string(4, '\0') + trailer->substr(0, 8);
  if (get_u32(trailer->data() + 8) != wire::crc32c(covered) ||
      get_u64(trailer->data()) != entries) {
    return damage(path, "its end is wrong");
  }
  if (file.read_exactly(1)) return damage(path, "something follows its end");
  return {};
}

Result<> sync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const File opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open() || ::fsync(opened.fd()) != 0) return io_failure("sync", directory);
  return {};
}

}  // namespace

Result<CacheFile> CacheFile::open(std::string path, std::string storage) {
  const std::string lock_path = path + ".lock";
  FileDescriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.is_open()) return io_failure("open", lock_path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return io_failure("lock", lock_path);
    return make_error(ErrorCode::busy, "cache file " + path + " is used by another client");
  }
  return CacheFile(std::move(path), std::move(storage), std::move(lock));
}

Result<std::optional<ConnectionView::Place>> CacheFile::load(ObjectCache& cache) const {
  const File file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) return std::nullopt;
    return io_failure("open", path_);
  }
  ASSIGN_OR_RETURN(const ConnectionView::Place place, read_header(file, path_, storage_));
  if (Result<> read = read_blocks(file, path_, cache); !read) {
    cache.clear();
    return std::unexpected(std::move(read).error());
  }
  return place;
}

Result<> CacheFile::save(ObjectCache& cache, const ConnectionView& view) const {
  // The place first: whatever the cache learns after this is left out, see save_shard().
  const ConnectionView::Place place = view.place();
  if (place.history == 0 || place.position.tid == kNoTid) return {};
  const std::string temporary = path_ + ".new";
  {
    const File file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.is_open()) return io_failure("create", temporary);
    BlockWriter writer(file);
    bool written = file.write_all(encode_header(place, storage_));
    for (std::size_t i = 0; written && i < cache.shard_count(); ++i) {
      std::vector<ObjectCache::Saved> saved;
      cache.save_shard(i, place.position.tid, saved);
      for (std::size_t j = 0; written && j < saved.size(); ++j) written = writer.add(saved[j]);
    }
    if (!written || !writer.finish() || ::fsync(file.fd()) != 0) {
      std::unexpected<Error> error = io_failure("write", temporary);
      ::unlink(temporary.c_str());
      return error;
    }
  }
  if (view.history() != place.history) {
    ::unlink(temporary.c_str());
    return make_error(ErrorCode::unavailable, "the cache was dropped while it was being saved");
  }
  if (::rename(temporary.c_str(), path_.c_str()) != 0) return io_failure("replace", path_);
  return sync_directory_of(path_);
}

}  // namespace zeolite::client_core
