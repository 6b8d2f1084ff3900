#include "storage/high_water_mark.h"

#include <fcntl.h>
#include <xxhash.h>

#include <array>
#include <chrono>

#include "base/check.h"
#include "storage/crash_point.h"

namespace zeolite::storage {

namespace {

// Each slot has a page of its own: the kernel writes pages, and only one is ever being changed.
constexpr std::size_t kSlotDistance = 4096;
constexpr std::size_t kSlotCount = 2;
// sequence, epoch, tid, chain, hash of all before it
constexpr std::size_t kHashedSize = 8 + 8 + 8 + 16;
constexpr std::size_t kSlotSize = kHashedSize + 8;
constexpr std::chrono::milliseconds kSyncInterval{100};

struct Slot {
  std::uint64_t sequence = 0;
  Position position;
};

std::string encode_slot(const Slot& slot) {
  std::string out;
  out.reserve(kSlotSize);
  put_u64(out, slot.sequence);
  put_u64(out, slot.position.epoch.value());
  put_tid(out, slot.position.tid);
  put_id128(out, slot.position.chain);
  put_u64(out, XXH3_64bits(out.data(), out.size()));
  return out;
}

std::optional<Slot> decode_slot(ByteView bytes) {
  if (bytes.size() != kSlotSize) return std::nullopt;
  ByteReader reader(bytes);
  Slot slot;
  slot.sequence = reader.take_u64();
  slot.position.epoch = Epoch(reader.take_u64());
  slot.position.tid = Tid(reader.take_u64());
  slot.position.chain = id128_from(reader.take(sizeof(ChainHash)));
  if (reader.take_u64() != XXH3_64bits(bytes.data(), kHashedSize)) return std::nullopt;
  return slot;
}

off_t slot_offset(std::uint64_t sequence) {
  return static_cast<off_t>((sequence % kSlotCount) * kSlotDistance);
}

}  // namespace

Result<> HighWaterMark::create(const std::filesystem::path& path) {
  // Full size from the start: writing a mark later never needs a block that a full disk lacks.
  std::string content(kSlotCount * kSlotDistance, '\0');
  content.replace(0, kSlotSize, encode_slot(Slot{}));
  return replace_file(path, content);
}

Result<std::unique_ptr<HighWaterMark>> HighWaterMark::open(const std::filesystem::path& path,
                                                           bool read_only) {
  FileDescriptor file(::open(path.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
  if (!file.is_open() && errno == ENOENT) {
    return make_error(ErrorCode::corruption,
                      path.string() +
                          " is missing, so nothing tells whether acknowledged transactions are "
                          "lost; restore this database from a backup or a standby");
  }
  if (!file.is_open()) return system_error("open", path, errno);
  std::unique_ptr<HighWaterMark> mark(new HighWaterMark(path, std::move(file)));
  RETURN_IF_ERROR(mark->read());
  if (!read_only) {
    HighWaterMark* const self = mark.get();
    mark->syncer_ = std::jthread([self](const std::stop_token& stop) { self->run(stop); });
  }
  return mark;
}

HighWaterMark::HighWaterMark(std::filesystem::path path, FileDescriptor file)
    : path_(std::move(path)), file_(std::move(file)) {}

HighWaterMark::~HighWaterMark() {
  if (!syncer_.joinable()) return;
  syncer_.request_stop();
  syncer_.join();
}

Result<> HighWaterMark::read() {
  std::optional<Slot> newest;
  for (std::size_t i = 0; i < kSlotCount; ++i) {
    std::array<char, kSlotSize> bytes{};
    const ssize_t got = ::pread(file_.get(), bytes.data(), bytes.size(), slot_offset(i));
    if (got < 0) return system_error("read", path_, errno);
    const std::optional<Slot> slot =
        decode_slot(ByteView(bytes.data(), static_cast<std::size_t>(got)));
    if (slot && (!newest || slot->sequence > newest->sequence)) newest = slot;
  }
  if (!newest) {
    return make_error(ErrorCode::corruption,
                      path_.string() +
                          " is damaged, so nothing tells whether acknowledged transactions are "
                          "lost; restore this database from a backup or a standby");
  }
  sequence_ = newest->sequence;
  position_ = newest->position;
  return {};
}

Result<> HighWaterMark::write(const Position& position) {
  const std::string bytes = encode_slot(Slot{sequence_ + 1, position});
  if (fail_point("mark.write")) return system_error("write", path_, EIO);
  const ssize_t put = ::pwrite(file_.get(), bytes.data(), bytes.size(), slot_offset(sequence_ + 1));
  if (put != static_cast<ssize_t>(bytes.size())) {
    return system_error("write", path_, put < 0 ? errno : EIO);
  }
  ++sequence_;
  position_ = position;
  const std::lock_guard lock(mutex_);
  if (sync_error_) return std::unexpected(*sync_error_);
  if (!dirty_) wake_.notify_one();
  dirty_ = true;
  return {};
}

Result<> HighWaterMark::lower(const Position& position) {
  CHECK(position.tid <= position_.tid, "the mark is lowered, not raised");
  RETURN_IF_ERROR(write(position));
  return sync();
}

Result<> HighWaterMark::sync() {
  if (fail_point("mark.sync")) return system_error("sync", path_, EIO);
  if (::fdatasync(file_.get()) != 0) return system_error("sync", path_, errno);
  return {};
}

void HighWaterMark::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, stop, [this] { return dirty_; });
    if (!dirty_) return;
    dirty_ = false;
    lock.unlock();
    Result<> synced = sync();
    lock.lock();
    if (!synced && !sync_error_) sync_error_ = std::move(synced).error();
    if (stop.stop_requested()) {
      if (!dirty_) return;
      continue;
    }
    // Whoever stops us also wakes us; news meanwhile waits its turn.
    wake_.wait_for(lock, stop, kSyncInterval, [] { return false; });
  }
}

}  // namespace zeolite::storage
