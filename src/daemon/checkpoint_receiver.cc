#include "daemon/checkpoint_receiver.h"

#include <fcntl.h>

#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

#include "storage/checkpoint_install.h"
#include "wire/codec.h"

namespace zeolite::daemon {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr const char* kBeginFile = "BEGIN";

std::uint64_t size_on_disk(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

}  // namespace

// What is on the disk; used by one thread at a time.
class CheckpointReceiver::Files {
 public:
  explicit Files(std::filesystem::path data)
      : data_(std::move(data)), incoming_(data_ / storage::kIncomingFolder) {}

  // What there is of an earlier try.
  wire::CheckpointRequest resume() {
    wire::CheckpointRequest request;
    Result<wire::CheckpointBegin> begin = read_begin();
    if (!begin) {
      clear();
      return request;
    }
    begin_ = *std::move(begin);
    request.id = begin_.id;
    while (request.file < begin_.files.size() && has_whole(request.file)) ++request.file;
    if (request.file < begin_.files.size()) {
      request.offset = size_on_disk(path_of(request.file));
      // Its last piece tells the hash, and comes again if it is whole but was not checked.
      if (request.offset >= begin_.files[request.file].size) request.offset = 0;
    }
    return request;
  }

  Result<> begin(const wire::CheckpointBegin& begin) {
    if (begin.id != begin_.id || begin.files != begin_.files) {
      clear();
      begin_ = begin;
      std::error_code error;
      std::filesystem::create_directories(incoming_, error);
      if (error)
        return make_error(ErrorCode::io_error, incoming_.string() + ": " + error.message());
      std::string frame;
      wire::encode(begin, 0, frame);
      RETURN_IF_ERROR(storage::replace_file(incoming_ / kBeginFile, frame));
    }
    return {};
  }

  // How many bytes of the files were there already.
  [[nodiscard]] std::uint64_t present() const {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < begin_.files.size(); ++i) bytes += size_on_disk(path_of(i));
    return bytes;
  }

  // True: that was the last piece of all.
  Result<bool> write(const wire::CheckpointChunk& chunk) {
    if (chunk.file >= begin_.files.size()) {
      return make_error(ErrorCode::protocol_error, "a piece of a file that is not in the copy");
    }
    if (!file_.is_open() || chunk.file != index_) RETURN_IF_ERROR(open(chunk.file));
    if (chunk.offset != written_ || chunk.data.size() > begin_.files[chunk.file].size - written_) {
      return make_error(ErrorCode::protocol_error, "a piece of the copy out of order");
    }
    RETURN_IF_ERROR(append(chunk.data.view()));
    if (!chunk.last) return false;
    RETURN_IF_ERROR(complete(chunk));
    for (std::size_t i = chunk.file + 1U; i < begin_.files.size(); ++i) {
      if (!has_whole(i)) return false;
    }
    RETURN_IF_ERROR(sync_directories());
    RETURN_IF_ERROR(storage::complete_incoming(data_, begin_.cluster_id, begin_.position));
    return true;
  }

  void clear() {
    file_ = {};
    begin_ = {};
    std::error_code ignored;
    std::filesystem::remove_all(incoming_, ignored);
  }
  [[nodiscard]] const Id128& cluster() const { return begin_.cluster_id; }

 private:
  Result<wire::CheckpointBegin> read_begin() const {
    ASSIGN_OR_RETURN(std::optional<std::string> content,
                     storage::read_small_file(incoming_ / kBeginFile));
    if (!content) return make_error(ErrorCode::not_found, "no copy was begun");
    wire::FrameDecoder decoder(content->size());
    decoder.feed(Bytes(*std::move(content)));
    ASSIGN_OR_RETURN(std::optional<wire::Frame> frame, decoder.next());
    if (!frame) return make_error(ErrorCode::corruption, "BEGIN is damaged");
    ASSIGN_OR_RETURN(wire::Message message, wire::decode(*frame));
    if (auto* begin = std::get_if<wire::CheckpointBegin>(&message)) return std::move(*begin);
    return make_error(ErrorCode::corruption, "BEGIN is damaged");
  }

  [[nodiscard]] std::filesystem::path path_of(std::size_t index) const {
    return incoming_ / begin_.files[index].name;
  }
  // Checked and synced. A mark may have outlived its file: their folders are synced at the end
  // only.
  [[nodiscard]] bool has_whole(std::size_t index) const {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path_of(index), error);
    return !error && size == begin_.files[index].size && std::filesystem::exists(done_mark(index));
  }
  [[nodiscard]] std::filesystem::path done_mark(std::size_t index) const {
    return incoming_ / "done" / std::to_string(index);
  }

  Result<> open(std::uint32_t index) {
    const std::filesystem::path path = path_of(index);
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) {
      return make_error(ErrorCode::io_error, path.parent_path().string() + ": " + error.message());
    }
    file_ = storage::FileDescriptor(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!file_.is_open()) return storage::system_error("open", path, errno);
    index_ = index;
    hash_ = {};
    written_ = 0;
    // What an earlier try has written counts, and is hashed again.
    std::uint64_t there = size_on_disk(path);
    if (there >= begin_.files[index].size) there = 0;
    std::string buffer(kReadBytes, '\0');
    while (written_ < there) {
      const ssize_t got =
          ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(written_));
      if (got <= 0) return storage::system_error("read", path, got < 0 ? errno : EIO);
      hash_.update(ByteView(buffer.data(), static_cast<std::size_t>(got)));
      written_ += static_cast<std::uint64_t>(got);
    }
    if (there == 0 && ::ftruncate(file_.get(), 0) != 0) {
      return storage::system_error("shorten", path, errno);
    }
    return {};
  }

  Result<> append(ByteView data) {
    hash_.update(data);
    while (!data.empty()) {
      const ssize_t put =
          ::pwrite(file_.get(), data.data(), data.size(), static_cast<off_t>(written_));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return storage::system_error("write", path_of(index_), put < 0 ? errno : EIO);
      written_ += static_cast<std::uint64_t>(put);
      data.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
  }

  Result<> complete(const wire::CheckpointChunk& chunk) {
    const std::filesystem::path path = path_of(index_);
    if (written_ != begin_.files[index_].size || hash_.finish() != chunk.hash) {
      file_ = {};
      std::error_code ignored;
      std::filesystem::remove(path, ignored);
      return make_error(ErrorCode::corruption, path.string() +
                                                   " arrived with another content than it was sent "
                                                   "with; it is fetched again");
    }
    if (::fdatasync(file_.get()) != 0) return storage::system_error("sync", path, errno);
    file_ = {};
    std::error_code error;
    std::filesystem::create_directories(done_mark(index_).parent_path(), error);
    const storage::FileDescriptor mark(
        ::open(done_mark(index_).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!mark.is_open()) return storage::system_error("make", done_mark(index_), errno);
    return {};
  }

  Result<> sync_directories() const {
    std::error_code error;
    std::filesystem::remove_all(incoming_ / "done", error);
    std::filesystem::remove(incoming_ / kBeginFile, error);
    using Walk = std::filesystem::recursive_directory_iterator;
    for (auto entry = Walk(incoming_, error); !error && entry != Walk(); entry.increment(error)) {
      if (entry->is_directory()) RETURN_IF_ERROR(storage::sync_directory(entry->path()));
    }
    if (error) return make_error(ErrorCode::io_error, incoming_.string() + ": " + error.message());
    return storage::sync_directory(incoming_);
  }

  const std::filesystem::path data_;
  const std::filesystem::path incoming_;
  wire::CheckpointBegin begin_;
  std::uint32_t index_ = 0;
  storage::FileDescriptor file_;
  storage::FileHash hash_;
  std::uint64_t written_ = 0;
};

CheckpointReceiver::CheckpointReceiver(std::filesystem::path data, net::IoShard& shard,
                                       boost::asio::thread_pool& pool, Events events)
    : shard_(shard),
      pool_(pool),
      events_(std::make_shared<Events>(std::move(events))),
      files_(std::make_shared<Files>(std::move(data))) {}

CheckpointReceiver::~CheckpointReceiver() { *alive_ = false; }

template <typename Work, typename Done>
void CheckpointReceiver::run_on_pool(Work work, Done done) {
  boost::asio::post(pool_, [shard = &shard_, alive = alive_, files = files_, work = std::move(work),
                            done = std::move(done)]() mutable {
    auto result = work(*files);
    shard->post([alive, done = std::move(done), result = std::move(result)]() mutable {
      if (*alive) done(std::move(result));
    });
  });
}

void CheckpointReceiver::start() {
  run_on_pool([](Files& files) { return files.resume(); },
              [this](const wire::CheckpointRequest& request) { events_->request(request); });
}

void CheckpointReceiver::on_message(const wire::Message& message) {
  if (finished_) return;
  if (const auto* begin = std::get_if<wire::CheckpointBegin>(&message)) on_begin(*begin);
  if (const auto* chunk = std::get_if<wire::CheckpointChunk>(&message)) on_chunk(*chunk);
}

void CheckpointReceiver::on_begin(const wire::CheckpointBegin& begin) {
  total_ = 0;
  for (const wire::CheckpointBegin::File& file : begin.files) total_ += file.size;
  run_on_pool(
      [begin](Files& files) -> Result<std::uint64_t> {
        RETURN_IF_ERROR(files.begin(begin));
        return files.present();
      },
      [this](Result<std::uint64_t> present) {
        if (!present) {
          finish(std::unexpected(std::move(present).error()));
          return;
        }
        received_ += *present;
        events_->log(LogLevel::info, "the copy has " + std::to_string(total_ >> 20U) + " MiB, " +
                                         std::to_string(*present >> 20U) +
                                         " of them are here already");
      });
}

void CheckpointReceiver::on_chunk(const wire::CheckpointChunk& chunk) {
  const std::uint64_t bytes = chunk.data.size();
  run_on_pool([chunk](Files& files) { return files.write(chunk); },
              [this, bytes, file = chunk.file, end = chunk.offset + bytes](Result<bool> complete) {
                if (finished_) return;
                if (!complete) {
                  finish(std::unexpected(std::move(complete).error()));
                  return;
                }
                received_ += bytes;
                wire::CheckpointAck ack;
                ack.file = file;
                ack.offset = end;
                ack.bytes = bytes;
                events_->acknowledge(ack);
                const std::uint64_t percent = total_ == 0 ? 100 : received_ * 100 / total_;
                if (percent >= told_percent_ + 10) {
                  told_percent_ = percent;
                  events_->log(LogLevel::info,
                               "the copy of the database: " + std::to_string(percent) + " %");
                }
                if (*complete) finish(files_->cluster());
              });
}

void CheckpointReceiver::finish(Result<Id128> result) {
  if (std::exchange(finished_, true)) return;
  const std::shared_ptr<Events> kept = events_;  // who is told may destroy this
  kept->finished(std::move(result));
}

}  // namespace zeolite::daemon
