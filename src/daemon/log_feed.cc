#include "daemon/log_feed.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <span>
#include <utility>

#include "daemon/record_bytes.h"
#include "wire/codec.h"

namespace zeolite::daemon {
namespace {

// Unsent bytes above which nothing is added.
constexpr std::size_t kOutboundMax = 8 << 20;
// What is read of the log, or taken from the ring, at a time.
constexpr std::size_t kBatchBytes = 1 << 20;
constexpr std::size_t kBatchEntries = 10'000;
constexpr std::size_t kBlobPiece = 256 << 10;

bool has_blobs(const LogEntry& entry) {
  return std::ranges::any_of(entry.objects,
                             [](const ObjectSummary& object) { return object.blob.has_value(); });
}

// What is sent together: entries up to one with blobs, which makes a batch of its own.
std::span<const LogEntry> within_batch(std::span<const LogEntry> entries) {
  const auto first = entries.first(storage::entries_within(entries, kBatchBytes));
  const auto before = std::ranges::find_if(first, has_blobs) - first.begin();
  return first.first(first.empty() ? 0
                                   : std::max<std::size_t>(static_cast<std::size_t>(before), 1));
}

}  // namespace

LogFeed::LogFeed(Environment environment, std::shared_ptr<net::FramedConnection> socket, Tid after,
                 std::function<void(Error)> failed)
    : environment_(std::move(environment)),
      socket_(std::move(socket)),
      failed_(std::move(failed)),
      sent_(after) {}

bool LogFeed::has_room() const {
  return !stopped_ && !socket_->closed() && socket_->outbound() < kOutboundMax;
}

void LogFeed::pump() {
  while (has_room() && !busy_) {
    if (batch_) {
      send_batch();
      continue;
    }
    const GroupRing::Found found = environment_.ring->after(sent_, kBatchBytes);
    for (const GroupRing::Group& group : found.groups) {
      socket_->send_encoded(*group.frame);
      sent_ = group.last;
    }
    if (!found.groups.empty()) continue;
    if (!is_durable_after(found.missed)) return;
    read_log();
  }
}

// Whether the log has something to read. What is `missed`, because it is not in the ring and not
// yet durable, is sent when it is.
bool LogFeed::is_durable_after(bool missed) {
  const auto more = [this] { return sent_ < environment_.engine->durable_end().tid; };
  if (more()) return true;
  if (!missed) return false;
  environment_.durable_bell->ask();
  return more();
}

template <typename Work, typename Done>
void LogFeed::run_on_pool(Work work, Done done) {
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

void LogFeed::read_log() {
  run_on_pool([engine = environment_.engine, after = sent_,
               epoch = environment_.epoch()] { return read_batch(engine->store(), after, epoch); },
              [this](Batch batch) {
                batch_ = std::move(batch);
                next_blob_ = 0;
              });
}

Result<LogFeed::Batch> LogFeed::read_batch(const storage::ObjectStore& store, Tid after,
                                           Epoch epoch) {
  Batch batch;
  batch.last = after;
  Position previous;
  if (!after.is_zero()) {
    ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(after));
    if (!entry) return make_error(ErrorCode::not_found, "the position is not in the log any more");
    previous = entry->position;
  }
  ASSIGN_OR_RETURN(
      const std::vector<LogEntry> entries,
      store.read_log(after, kMaxTid, {.entries = kBatchEntries, .bytes = kBatchBytes}));
  const std::span<const LogEntry> taken = within_batch(entries);
  std::vector<TransactionRecord> records;
  records.reserve(taken.size());
  for (Result<TransactionRecord>& read : store.read_records(taken)) {
    ASSIGN_OR_RETURN(TransactionRecord record, std::move(read));
    for (const ObjectWrite& write : record.writes) {
      if (write.blob) batch.blobs.push_back({write.oid, record.tid, write.blob->size});
    }
    batch.last = record.tid;
    records.push_back(std::move(record));
  }
  if (data_bytes(records) > kStreamedBytesMax) {  // only an import brings in more
    return make_error(ErrorCode::invalid_argument,
                      "transaction " + to_hex(batch.last) +
                          " is too large to be streamed; a new standby gets "
                          "it with a copy of the database");
  }
  if (!records.empty()) {
    wire::encode_append(epoch, previous, records, batch.frames, kCompressGroupsFrom);
  }
  return batch;
}

void LogFeed::send_batch() {
  if (next_blob_ < batch_->blobs.size()) {
    read_blob_piece();
    return;
  }
  socket_->send_encoded(batch_->frames);
  sent_ = batch_->last;
  batch_.reset();
}

void LogFeed::read_blob_piece() {
  struct Piece {
    std::shared_ptr<const blobs::BlobFile> file;
    std::string data;
  };
  const Blob blob = batch_->blobs[next_blob_];
  run_on_pool(
      [directory = environment_.engine->blobs(), blob, file = file_,
       offset = offset_]() -> Result<Piece> {
        Piece piece{file, {}};
        if (!piece.file) {
          if (directory == nullptr) {
            return make_error(ErrorCode::not_found, "this server keeps no blobs");
          }
          ASSIGN_OR_RETURN(blobs::BlobFile opened, directory->open_for_reading(blob.oid, blob.tid));
          piece.file = std::make_shared<const blobs::BlobFile>(std::move(opened));
        }
        piece.data.resize(std::min<std::uint64_t>(kBlobPiece, blob.size - offset));
        if (piece.data.empty()) return piece;
        ASSIGN_OR_RETURN(const std::size_t got, piece.file->read(offset, piece.data));
        if (got != piece.data.size()) {
          return make_error(
              ErrorCode::corruption,
              "blob " + to_hex(blob.oid) + " at " + to_hex(blob.tid) + " is shorter than it was");
        }
        return piece;
      },
      [this, blob](Piece piece) {
        wire::ReplicaBlob message;
        message.oid = blob.oid;
        message.tid = blob.tid;
        message.offset = offset_;
        message.size = blob.size;
        offset_ += piece.data.size();
        message.data = Bytes(std::move(piece.data));
        socket_->send(message, 0);
        file_ = std::move(piece.file);
        if (offset_ < blob.size) return;
        file_.reset();
        offset_ = 0;
        ++next_blob_;
      });
}

}  // namespace zeolite::daemon
