#include "daemon/checkpoint_sender.h"

#include <fcntl.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace zeolite::daemon {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
// Sent and not acknowledged.
constexpr std::uint64_t kWindowBytes = 32 << 20;
constexpr std::size_t kOutboundMax = 8 << 20;

}  // namespace

CheckpointSender::CheckpointSender(const Environment& environment,
                                   std::shared_ptr<net::FramedConnection> socket,
                                   std::function<void(Error)> failed)
    : environment_(environment),
      socket_(std::move(socket)),
      failed_(std::move(failed)),
      timer_(environment.shard->context()) {}

void CheckpointSender::stop() {
  stopped_ = true;
  timer_.cancel();
  if (user_) environment_.checkpoints->ended(*std::exchange(user_, std::nullopt), complete());
}

bool CheckpointSender::complete() const {
  return checkpoint_ && file_ >= checkpoint_->begin.files.size() && unacknowledged_ == 0;
}

// Who owns it stops it.
void CheckpointSender::fail(Error why) {
  stopped_ = true;
  failed_(std::move(why));
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
          done(std::move(result));
        });
  });
}

void CheckpointSender::start(const wire::CheckpointRequest& request) {
  const std::shared_ptr<CheckpointSender> kept = shared_from_this();  // it may fail at once
  const replication::CopyUser user = environment_.checkpoints->ask(
      request,
      [weak = weak_from_this(), request](Result<std::shared_ptr<const OutgoingCheckpoint>> given) {
        const std::shared_ptr<CheckpointSender> self = weak.lock();
        if (!self || self->stopped_) return;
        if (given) {
          self->begin(request, *std::move(given));
        } else {
          self->fail(std::move(given).error());
        }
      });
  if (stopped_) {
    environment_.checkpoints->ended(user, false);
  } else {
    user_ = user;
  }
}

void CheckpointSender::begin(const wire::CheckpointRequest& request,
                             std::shared_ptr<const OutgoingCheckpoint> checkpoint) {
  checkpoint_ = std::move(checkpoint);
  const bool goes_on =
      checkpoint_->begin.id == request.id && request.file <= checkpoint_->begin.files.size();
  file_ = goes_on ? request.file : 0;
  start_offset_ = goes_on ? request.offset : 0;
  confirmed_ = checkpoint_->bytes_before[file_] + start_offset_;
  began_ = SystemClock().now().instant;
  socket_->send(checkpoint_->begin, 0);
  pump();
}

void CheckpointSender::on_ack(const wire::CheckpointAck& ack) {
  // Only how much is under way counts; the receiver checks what it got.
  unacknowledged_ -= std::min<std::uint64_t>(unacknowledged_, ack.bytes);
  if (checkpoint_ && ack.file < checkpoint_->begin.files.size()) {
    confirmed_ = checkpoint_->bytes_before[ack.file] + ack.offset;
  }
  pump();
}

int CheckpointSender::percent() const {
  if (!checkpoint_) return 0;
  const std::uint64_t all = checkpoint_->bytes_before.back();
  return all == 0 ? 100 : static_cast<int>(std::min(confirmed_, all) * 100 / all);
}

bool CheckpointSender::may_send() {
  if (stopped_ || busy_ || !checkpoint_ || waiting_ || socket_->closed()) return false;
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
  if (!reading_ && checkpoint_ && file_ >= checkpoint_->begin.files.size()) return;  // all is sent
  if (may_send()) read_next();
}

void CheckpointSender::read_next() {
  if (!reading_) {
    reading_ = std::make_shared<Reading>();
    reading_->path = checkpoint_->paths[file_];
    reading_->size = checkpoint_->begin.files[file_].size;
    reading_->skip_to = std::exchange(start_offset_, 0);
  }
  run_on_pool([reading = reading_] { return read_piece(*reading); },
              [this](Result<Piece> piece) {
                if (piece) {
                  send_piece(*std::move(piece));
                  pump();
                  return;
                }
                // Whoever asks again is not to come to the same end.
                environment_.checkpoints->spoiled(checkpoint_->begin.id);
                fail(std::move(piece).error());
              });
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
