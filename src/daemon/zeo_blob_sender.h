#pragma once

#include <memory>
#include <optional>
#include <string>

#include "blobs/blob_directory.h"
#include "daemon/shard_hub.h"
#include "zeo/requests.h"

namespace zeolite::daemon {

class ZeoConnection;

// Sends one blob to a ZEO client: a start message, its chunks, a stop message, then the answer to
// the call. A piece is read from the disk on the pool, and the next when the socket has taken it,
// so memory does not grow with the blob; other answers travel between the chunks.
// Thread: the connection's shard. Keeps itself alive until it is done or the connection is closed.
class ZeoBlobSender : public std::enable_shared_from_this<ZeoBlobSender> {
 public:
  static void send(ShardHub& hub, std::shared_ptr<ZeoConnection> connection, const zeo::Value& id,
                   const zeo::requests::SendBlob& request);

  ZeoBlobSender(ShardHub& hub, std::shared_ptr<ZeoConnection> connection, zeo::Value id,
                const zeo::requests::SendBlob& request);

 private:
  struct Piece {
    std::shared_ptr<blobs::BlobFile> file;
    std::string bytes;
  };
  void read_piece();
  void on_piece(Result<Piece> piece);

  ShardHub& hub_;
  std::shared_ptr<ZeoConnection> connection_;
  zeo::Value id_;
  zeo::requests::SendBlob request_;
  std::shared_ptr<blobs::BlobFile> file_;  // once it was opened
  std::uint64_t sent_ = 0;
};

}  // namespace zeolite::daemon
