#include "daemon/checkpoint_sender.h"

#include <fcntl.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "storage/random_id.h"

namespace zeolite::daemon {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
// Sent and not acknowledged.
constexpr std::uint64_t kWindowBytes = 32 << 20;
constexpr std::size_t kOutboundMax = 8 << 20;
constexpr const char* kOutgoing = "outgoing";

Result<> add_file(const std::filesystem::path& path, std::string name, KeptCheckpoint& checkpoint) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return make_error(ErrorCode::io_error, path.string() + ": " + error.message());
  checkpoint.begin.files.push_back({std::move(name), size});
  checkpoint.paths.push_back(path);
  return {};
}

// Of the files before the one of that index.
std::uint64_t bytes_before(const KeptCheckpoint& checkpoint, std::size_t file) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < std::min(file, checkpoint.begin.files.size()); ++i) {
    bytes += checkpoint.begin.files[i].size;
  }
  return bytes;
}

}  // namespace

CheckpointSender::CheckpointSender(const Environment& environment,
                                   std::shared_ptr<net::FramedConnection> socket,
                                   std::function<void(Error)> failed)
    : environment_(environment),
      socket_(std::move(socket)),
      failed_(std::move(failed)),
      timer_(environment.shard->context()) {}

void CheckpointSender::remove_leftovers(const std::filesystem::path& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory / kOutgoing, ignored);
}

void CheckpointSender::stop() {
  stopped_ = true;
  timer_.cancel();
}

template <typename Work, typename Done>
void CheckpointSender::run_on_pool(Work work, Done done) {
  busy_ = true;
  boost::asio::post(*environment_.pool, [self = shared_from_this(), work = std::move(work),
                                         done = std::move(done)]() mutable {
    auto result = work();
    self->environment_.shard->post(
        [self, done = std::move(done), result = std::move(result)]() mutable {
          self->busy_ = false;
          if (self->stopped_) return;
          if (!result) {
            self->stopped_ = true;
            self->failed_(std::move(result).error());
            return;
          }
          done(*std::move(result));
          self->pump();
        });
  });
}

void CheckpointSender::start(const wire::CheckpointRequest& request) {
  std::optional<KeptCheckpoint>& kept = *environment_.kept;
  const bool goes_on = kept && request.id != Id128{} && kept->begin.id == request.id &&
                       request.file <= kept->begin.files.size();
  if (goes_on) {
    begin(request.file, request.offset);
    pump();
    return;
  }
  // A copy that another standby is being sent stays readable: its files are open or are looked for
  // again, and then that one asks anew.
  kept.reset();
  run_on_pool([environment = environment_] { return make_checkpoint(environment); },
              [this](KeptCheckpoint made) {
                environment_.log(LogLevel::info, "a standby is sent a copy of the database: " +
                                                     std::to_string(made.begin.files.size()) +
                                                     " files");
                *environment_.kept = std::move(made);
                begin(0, 0);
              });
}

Result<KeptCheckpoint> CheckpointSender::make_checkpoint(const Environment& environment) {
  remove_leftovers(environment.directory);
  KeptCheckpoint checkpoint;
  ASSIGN_OR_RETURN(checkpoint.begin.id, storage::random_id());
  const std::filesystem::path parent = environment.directory / kOutgoing;
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  if (error) return make_error(ErrorCode::io_error, parent.string() + ": " + error.message());
  checkpoint.directory = parent / to_hex(checkpoint.begin.id);
  ASSIGN_OR_RETURN(checkpoint.begin.position, environment.make(checkpoint.directory));
  checkpoint.begin.cluster_id = environment.engine->store().cluster_id();
  RETURN_IF_ERROR(list_files(*environment.engine, checkpoint));
  return checkpoint;
}

// Blobs that came after the checkpoint may be among them; they do no harm.
Result<> CheckpointSender::list_files(const StorageEngine& engine, KeptCheckpoint& checkpoint) {
  std::error_code error;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (auto entry = Walk(checkpoint.directory, error); !error && entry != Walk();
       entry.increment(error)) {
    if (!entry->is_regular_file()) continue;
    RETURN_IF_ERROR(add_file(entry->path(),
                             entry->path().lexically_relative(checkpoint.directory).string(),
                             checkpoint));
  }
  if (error) {
    return make_error(ErrorCode::io_error, checkpoint.directory.string() + ": " + error.message());
  }
  blobs::BlobDirectory* const blobs = engine.blobs();
  if (blobs == nullptr) return {};
  // Says in which layout the others are.
  RETURN_IF_ERROR(add_file(blobs->path() / ".layout", "blobs/.layout", checkpoint));
  return blobs->walk([&](Oid oid, Tid tid) {
    const std::filesystem::path path = blobs->path_of(oid, tid);
    return add_file(path, "blobs/" + path.lexically_relative(blobs->path()).string(), checkpoint);
  });
}

void CheckpointSender::begin(std::uint32_t file, std::uint64_t offset) {
  begun_ = true;
  file_ = file;
  start_offset_ = offset;
  began_ = SystemClock().now().instant;
  (*environment_.kept)->used_at = began_;
  socket_->send((*environment_.kept)->begin, 0);
}

void CheckpointSender::on_ack(const wire::CheckpointAck& ack) {
  // Only how much is under way counts; the receiver checks what it got.
  unacknowledged_ -= std::min<std::uint64_t>(unacknowledged_, ack.bytes);
  if (*environment_.kept) {
    (*environment_.kept)->used_at = SystemClock().now().instant;
    confirmed_ = bytes_before(**environment_.kept, ack.file) + ack.offset;
  }
  pump();
}

int CheckpointSender::percent() const {
  if (!begun_ || !*environment_.kept) return 0;
  const KeptCheckpoint& checkpoint = **environment_.kept;
  const std::uint64_t all = bytes_before(checkpoint, checkpoint.begin.files.size());
  return all == 0 ? 100 : static_cast<int>(std::min(confirmed_, all) * 100 / all);
}

bool CheckpointSender::may_send() {
  if (stopped_ || busy_ || !begun_ || waiting_ || socket_->closed()) return false;
  if (unacknowledged_ >= kWindowBytes || socket_->outbound() >= kOutboundMax) return false;
  if (environment_.bytes_per_second == 0) return true;
  const Instant now = SystemClock().now().instant;
  const auto due = std::chrono::nanoseconds(static_cast<std::int64_t>(
      static_cast<double>(sent_) * 1e9 / static_cast<double>(environment_.bytes_per_second)));
  if (now - began_ >= due) return true;
  waiting_ = true;
  timer_.expires_after(due - (now - began_));
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
    self->waiting_ = false;
    if (!cancelled) self->pump();
  });
  return false;
}

void CheckpointSender::pump() {
  if (!may_send()) return;
  if (!*environment_.kept) {
    stopped_ = true;
    failed_(Error{ErrorCode::unavailable, "the copy was replaced by a newer one; ask again"});
    return;
  }
  const KeptCheckpoint& checkpoint = **environment_.kept;
  if (!reading_) {
    if (file_ >= checkpoint.begin.files.size()) return;  // all is sent
    reading_ = std::make_shared<Reading>();
    reading_->path = checkpoint.paths[file_];
    reading_->size = checkpoint.begin.files[file_].size;
    reading_->skip_to = std::exchange(start_offset_, 0);
  }
  run_on_pool([reading = reading_] { return read_piece(*reading); },
              [this](Piece piece) { send_piece(std::move(piece)); });
}

Result<CheckpointSender::Piece> CheckpointSender::read_piece(Reading& reading) {
  if (!reading.file.is_open()) {
    reading.file = storage::FileDescriptor(::open(reading.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!reading.file.is_open()) return storage::system_error("open", reading.path, errno);
  }
  Piece piece;
  do {
    piece.offset = reading.offset;
    piece.data.resize(std::min<std::uint64_t>(kPieceBytes, reading.size - reading.offset));
    std::size_t filled = 0;
    while (filled < piece.data.size()) {
      const ssize_t got =
          ::pread(reading.file.get(), piece.data.data() + filled, piece.data.size() - filled,
                  static_cast<off_t>(reading.offset + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return storage::system_error("read", reading.path, errno);
      if (got == 0) {
        return make_error(ErrorCode::io_error, reading.path.string() + " became shorter");
      }
      filled += static_cast<std::size_t>(got);
    }
    reading.hash.update(piece.data);
    reading.offset += piece.data.size();
  } while (reading.offset <= reading.skip_to && reading.offset < reading.size);
  // The part of it that the receiver has already.
  if (piece.offset < reading.skip_to) {
    const auto has = std::min<std::uint64_t>(reading.skip_to - piece.offset, piece.data.size());
    piece.data.erase(0, has);
    piece.offset += has;
  }
  piece.last = reading.offset >= reading.size;
  if (piece.last) piece.hash = reading.hash.finish();
  return piece;
}

void CheckpointSender::send_piece(Piece piece) {
  wire::CheckpointChunk chunk;
  chunk.file = file_;
  chunk.offset = piece.offset;
  chunk.last = piece.last;
  chunk.hash = piece.hash;
  unacknowledged_ += piece.data.size();
  sent_ += piece.data.size();
  chunk.data = Bytes(std::move(piece.data));
  socket_->send(chunk, 0);
  if (!piece.last) return;
  reading_.reset();
  ++file_;
}

}  // namespace zeolite::daemon
