#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "blobs/blob_directory.h"
#include "daemon/answer_bytes.h"
#include "daemon/shard_hub.h"
#include "zeo/requests.h"

namespace zeolite::daemon {

class ZeoConnection;

// A part of a blob, as it was read.
struct BlobPiece {
  std::shared_ptr<blobs::BlobFile> file;
  std::string bytes;
};
[[nodiscard]] inline std::size_t answer_bytes(const Result<BlobPiece>& piece) {
  return piece ? kItemOverhead + piece->bytes.size() : 0;
}

// Sends one blob to a ZEO client: a start message, its chunks, a stop message, then the answer to
// the call. A piece is read from the disk on the pool when it is this blob's turn among those that
// the client has asked for, and the next not before the socket has taken it: so memory grows
// neither with the blob nor with the number of them, and other answers travel between the chunks.
// Thread: the connection's shard. Keeps itself alive until it is done or the connection is closed.
class ZeoBlobSender : public std::enable_shared_from_this<ZeoBlobSender> {
 public:
  static void send(ShardHub& hub, std::shared_ptr<ZeoConnection> connection, const zeo::Value& id,
                   const zeo::requests::SendBlob& request);

  ZeoBlobSender(ShardHub& hub, std::shared_ptr<ZeoConnection> connection, zeo::Value id,
                const zeo::requests::SendBlob& request);

 private:
  void await_turn();
  void read_piece();
  void on_piece(Result<BlobPiece> piece);

  ShardHub& hub_;
  std::shared_ptr<ZeoConnection> connection_;
  zeo::Value id_;
  zeo::requests::SendBlob request_;
  std::shared_ptr<blobs::BlobFile> file_;  // once it was opened
  std::uint64_t sent_ = 0;
};

}  // namespace zeolite::daemon
