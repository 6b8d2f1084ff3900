#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "daemon/outgoing_checkpoints.h"
#include "net/framed_connection.h"
#include "net/io_shard.h"
#include "storage/file_descriptor.h"
#include "storage/file_hash.h"
#include "wire/messages_replication.h"

namespace zeolite::daemon {

// Sends one standby a copy of the database (docs/replication.md): the files of a checkpoint, which
// others may be sent as well, and those of the blobs, piece by piece while commits go on. It keeps
// to the checkpoint that it was given first. A standby that was cut off asks again and goes on
// where it was, as long as the checkpoint is kept. A file that cannot be read ends the copy; the
// standby is sent another when it asks again.
//
// Thread: the replication shard's; what waits for the disk runs on the pool. Owner: shared by its
// link and reads under way.
class CheckpointSender : public std::enable_shared_from_this<CheckpointSender> {
 public:
  struct Environment {
    net::IoShard* shard = nullptr;
    boost::asio::thread_pool* pool = nullptr;
    std::shared_ptr<OutgoingCheckpoints> checkpoints;
    std::uint64_t bytes_per_second = 0;  // 0: as fast as it goes
  };
  // `failed`: the copy cannot be sent (on).
  CheckpointSender(const Environment& environment, std::shared_ptr<net::FramedConnection> socket,
                   std::function<void(Error)> failed);

  // Once.
  void start(const wire::CheckpointRequest& request);
  void on_ack(const wire::CheckpointAck& ack);
  // Sends what the window, the rate and the socket take.
  void pump();
  // How much of the copy the standby has, of a hundred.
  [[nodiscard]] int percent() const;
  // Nothing is sent any more. It has to be called.
  void stop();

 private:
  struct Piece {
    std::string data;
    std::uint64_t offset = 0;
    bool last = false;
    Id128 hash{};
  };
  // The file that is being read; the pool's while a read runs.
  struct Reading {
    std::filesystem::path path;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
    std::uint64_t skip_to = 0;  // hashed, not sent
    storage::FileDescriptor file;
    storage::FileHash hash;
  };

  [[nodiscard]] static Result<Piece> read_piece(Reading& reading);
  void begin(const wire::CheckpointRequest& request,
             std::shared_ptr<const OutgoingCheckpoint> checkpoint);
  void read_next();
  void send_piece(Piece piece);
  void fail(Error why);
  // All is sent and confirmed.
  [[nodiscard]] bool complete() const;
  [[nodiscard]] bool may_send();
  template <typename Work, typename Done>
  void run_on_pool(Work work, Done done);

  const Environment environment_;
  const std::shared_ptr<net::FramedConnection> socket_;
  const std::function<void(Error)> failed_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
  bool busy_ = false;
  std::optional<replication::CopyUser> user_;
  std::shared_ptr<const OutgoingCheckpoint> checkpoint_;  // from when it is begun
  std::uint32_t file_ = 0;  // index of the one that is being read, or is next
  std::shared_ptr<Reading> reading_;
  std::uint64_t start_offset_ = 0;  // in the first file
  std::uint64_t unacknowledged_ = 0;
  std::uint64_t sent_ = 0;  // for the rate
  Instant began_{};
  bool waiting_ = false;         // for the rate
  std::uint64_t confirmed_ = 0;  // bytes of the copy, from its first file on
};

}  // namespace zeolite::daemon
