#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "daemon/server.h"
#include "daemon/storage_engine.h"
#include "net/framed_connection.h"
#include "net/io_shard.h"
#include "storage/file_descriptor.h"
#include "storage/file_hash.h"
#include "wire/messages_replication.h"

namespace zeolite::daemon {

// A checkpoint that is kept for standbys to fetch: one at a time, in the database's directory.
struct KeptCheckpoint {
  wire::CheckpointBegin begin;
  std::vector<std::filesystem::path> paths;  // of begin.files
  std::filesystem::path directory;
  Instant used_at{};
};

// Sends one standby a copy of the database (docs/replication.md): makes a checkpoint, which costs
// hard links and no copy, and sends its files and those of the blobs piece by piece while commits
// go on. A standby that was cut off asks again and goes on where it was, as long as the checkpoint
// is kept. A blob that is packed away meanwhile ends the copy; the standby asks for a new one.
// Thread: the replication shard's; what waits for the disk runs on the pool. Owner: shared by its
// link and reads under way.
class CheckpointSender : public std::enable_shared_from_this<CheckpointSender> {
 public:
  struct Environment {
    net::IoShard* shard = nullptr;
    boost::asio::thread_pool* pool = nullptr;
    const StorageEngine* engine = nullptr;
    std::filesystem::path directory;     // the copies stand in its `outgoing`
    std::uint64_t bytes_per_second = 0;  // 0: as fast as it goes
    // Makes the checkpoint in a directory that does not exist yet; any thread.
    std::function<Result<Position>(const std::filesystem::path&)> make;
    // The one that is kept, if any; touched on the shard only.
    std::shared_ptr<std::optional<KeptCheckpoint>> kept;
    LogSink log;
  };
  // `failed`: the copy cannot be sent (on).
  CheckpointSender(const Environment& environment, std::shared_ptr<net::FramedConnection> socket,
                   std::function<void(Error)> failed);

  void start(const wire::CheckpointRequest& request);
  void on_ack(const wire::CheckpointAck& ack);
  // Sends what the window, the rate and the socket take.
  void pump();
  // How much of the copy the standby has, of a hundred.
  [[nodiscard]] int percent() const;
  // Nothing is sent any more.
  void stop();

  // Removes what a former process left behind.
  static void remove_leftovers(const std::filesystem::path& directory);

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

  [[nodiscard]] static Result<KeptCheckpoint> make_checkpoint(const Environment& environment);
  [[nodiscard]] static Result<> list_files(const StorageEngine& engine, KeptCheckpoint& checkpoint);
  [[nodiscard]] static Result<Piece> read_piece(Reading& reading);
  void begin(std::uint32_t file, std::uint64_t offset);
  void open_next();
  void send_piece(Piece piece);
  [[nodiscard]] bool may_send();
  template <typename Work, typename Done>
  void run_on_pool(Work work, Done done);

  const Environment environment_;
  const std::shared_ptr<net::FramedConnection> socket_;
  const std::function<void(Error)> failed_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
  bool busy_ = false;
  bool begun_ = false;
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
