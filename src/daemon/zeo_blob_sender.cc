#include "daemon/zeo_blob_sender.h"

#include <array>
#include <utility>

#include "daemon/zeo_connection.h"

namespace zeolite::daemon {

using zeo::Value;

namespace {

// As Python's server cuts them.
constexpr std::size_t kChunk = 59'000;
// Read from the disk at a time.
constexpr std::size_t kPiece = 16 * kChunk;

}  // namespace

void ZeoBlobSender::send(ShardHub& hub, std::shared_ptr<ZeoConnection> connection, const Value& id,
                         const zeo::requests::SendBlob& request) {
  if (hub.engine().blobs() == nullptr) {
    connection->fail(id, zeo::pos_key_error(request.oid));
    return;
  }
  std::make_shared<ZeoBlobSender>(hub, std::move(connection), id, request)->await_turn();
}

ZeoBlobSender::ZeoBlobSender(ShardHub& hub, std::shared_ptr<ZeoConnection> connection, Value id,
                             const zeo::requests::SendBlob& request)
    : hub_(hub), connection_(std::move(connection)), id_(std::move(id)), request_(request) {}

void ZeoBlobSender::await_turn() {
  connection_->when_blob_turn([self = shared_from_this()] { self->read_piece(); });
}

void ZeoBlobSender::read_piece() {
  hub_.read_on_pool(
      connection_, ShardHub::Pin::no,
      [directory = hub_.engine().blobs(), file = file_, request = request_, at = sent_](
          const storage::ObjectStore&, Tid) -> Result<BlobPiece> {
        // It may run again, when there was no room for what it read.
        std::shared_ptr<blobs::BlobFile> from = file;
        if (!from) {
          ASSIGN_OR_RETURN(blobs::BlobFile opened,
                           directory->open_for_reading(request.oid, request.tid));
          from = std::make_shared<blobs::BlobFile>(std::move(opened));
        }
        std::string bytes(kPiece, '\0');
        ASSIGN_OR_RETURN(const std::size_t length, from->read(at, bytes));
        bytes.resize(length);
        return BlobPiece{std::move(from), std::move(bytes)};
      },
      [self = shared_from_this()](Result<BlobPiece> piece, Tid) {
        self->on_piece(std::move(piece));
      });
}

void ZeoBlobSender::on_piece(Result<BlobPiece> piece) {
  if (connection_->closed()) return;
  connection_->blob_turn_over();
  const Value oid = zeo::value_of(request_.oid);
  const Value tid = zeo::value_of(request_.tid);
  if (!piece) {
    if (file_) {
      // The client has a part of it and cannot be told that the rest is missing.
      connection_->end(std::move(piece).error().prefixed("a blob that is being sent"));
    } else if (piece.error().code == ErrorCode::not_found) {
      connection_->fail(id_, {"ZODB.POSException.POSKeyError",
                              Value::tuple(Value::text("No blob file"), oid, tid)});
    } else {
      connection_->fail(id_, zeo::exception_of(piece.error()));
    }
    return;
  }
  std::string messages;
  const std::array<Value, 2> name{oid, tid};
  if (!file_) zeo::encode_one_way(connection_->encoding(), "receiveBlobStart", name, messages);
  file_ = std::move(piece->file);
  const ByteView bytes = piece->bytes;
  for (std::size_t at = 0; at < bytes.size(); at += kChunk) {
    const std::array<Value, 3> chunk{oid, tid, Value::bytes(bytes.substr(at, kChunk))};
    zeo::encode_one_way(connection_->encoding(), "receiveBlobChunk", chunk, messages);
  }
  sent_ += bytes.size();
  const bool done = bytes.size() < kPiece;
  if (done) zeo::encode_one_way(connection_->encoding(), "receiveBlobStop", name, messages);
  connection_->send_encoded(messages);
  if (done) {
    connection_->reply(id_, Value(pickle::None{}));
  } else {
    connection_->when_next_blob_turn([self = shared_from_this()] { self->read_piece(); });
  }
}

}  // namespace zeolite::daemon
