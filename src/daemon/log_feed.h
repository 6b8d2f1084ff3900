#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "blobs/blob_directory.h"
#include "daemon/durable_bell.h"
#include "daemon/group_ring.h"
#include "daemon/storage_engine.h"
#include "net/framed_connection.h"
#include "net/io_shard.h"

namespace zeolite::daemon {

// Sends one standby the log from a position on: from the ring while it is up to date, else from the
// store, with the blobs of each group before it. The socket sets the pace.
// Thread: the replication shard's; what waits for the disk runs on the pool. Owner: shared by its
// link and reads under way.
class LogFeed : public std::enable_shared_from_this<LogFeed> {
 public:
  struct Environment {
    net::IoShard* shard = nullptr;
    boost::asio::thread_pool* pool = nullptr;
    const StorageEngine* engine = nullptr;
    const GroupRing* ring = nullptr;
    DurableBell* durable_bell = nullptr;  // pump() is called when it rings
    std::function<Epoch()> epoch;         // of the frames
  };
  // `failed`: the log cannot be read on from where the standby is.
  LogFeed(Environment environment, std::shared_ptr<net::FramedConnection> socket, Tid after,
          std::function<void(Error)> failed);

  // Sends what there is and the socket takes.
  void pump();
  // Nothing is sent any more.
  void stop() { stopped_ = true; }
  // Everything up to here was sent.
  [[nodiscard]] Tid sent() const { return sent_; }

 private:
  struct Blob {
    Oid oid;
    Tid tid;
    std::uint64_t size = 0;
  };
  // What was read of the log.
  struct Batch {
    std::vector<Blob> blobs;  // to be sent first
    std::string frames;
    Tid last;
  };

  [[nodiscard]] bool has_room() const;
  [[nodiscard]] bool is_durable_after(bool missed);
  void read_log();
  [[nodiscard]] static Result<Batch> read_batch(const storage::ObjectStore& store, Tid after,
                                                Epoch epoch);
  void send_batch();
  void read_blob_piece();
  template <typename Work, typename Done>
  void run_on_pool(Work work, Done done);

  const Environment environment_;
  const std::shared_ptr<net::FramedConnection> socket_;
  const std::function<void(Error)> failed_;
  Tid sent_;
  bool stopped_ = false;
  bool busy_ = false;  // something runs on the pool
  std::optional<Batch> batch_;
  std::size_t next_blob_ = 0;  // in batch_
  std::shared_ptr<const blobs::BlobFile> file_;
  std::uint64_t offset_ = 0;
};

}  // namespace zeolite::daemon
