#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/error.h"
#include "daemon/server.h"
#include "daemon/storage_engine.h"
#include "net/io_shard.h"
#include "replication/checkpoint_shelf.h"
#include "wire/messages_replication.h"

namespace zeolite::daemon {

// A checkpoint and where its files are. Immutable.
struct OutgoingCheckpoint {
  wire::CheckpointBegin begin;
  std::vector<std::filesystem::path> paths;  // of begin.files
  std::vector<std::uint64_t> bytes_before;   // of begin.files; and last, of all
  std::filesystem::path directory;
};

// The checkpoints that standbys are sent, in `outgoing` of the database's directory: makes and
// removes what the shelf says. A checkpoint costs hard links and no copy, but keeps the space of
// what is compacted and packed away meanwhile.
// Thread: the replication shard's; the disk's work runs on the pool, of one thread. Owner: shared
// by the ReplicationService, senders and work under way.
class OutgoingCheckpoints : public std::enable_shared_from_this<OutgoingCheckpoints> {
 public:
  struct Environment {
    net::IoShard* shard = nullptr;
    boost::asio::thread_pool* pool = nullptr;
    const StorageEngine* engine = nullptr;
    std::filesystem::path directory;  // of the database
    // Makes the checkpoint in a directory that does not exist yet; any thread.
    std::function<Result<Position>(const std::filesystem::path&)> make;
    LogSink log;
  };
  using Given = std::function<void(Result<std::shared_ptr<const OutgoingCheckpoint>>)>;

  explicit OutgoingCheckpoints(Environment environment,
                               replication::CheckpointShelf::Options options = {});

  // For whoever is to be sent what it asks for; ends it with ended(). `given` is called once,
  // perhaps at once, unless it ended before.
  replication::CopyUser ask(const wire::CheckpointRequest& request, Given given);
  // `complete`: it was sent all and has confirmed it.
  void ended(replication::CopyUser user, bool complete);
  // A file of it cannot be read.
  void spoiled(const Id128& id);
  // What is undone may be in what was made before.
  void log_undone();
  void tick();

  // Removes what a former process left behind.
  static void remove_leftovers(const std::filesystem::path& directory);

 private:
  using Effects = replication::CheckpointShelf::Effects;

  void carry_out(const Effects& effects);
  void make();
  void made(const std::shared_ptr<const OutgoingCheckpoint>& checkpoint);
  void remove(const Id128& id);
  void answer(replication::CopyUser user, Result<std::shared_ptr<const OutgoingCheckpoint>> result);
  [[nodiscard]] static Result<std::shared_ptr<const OutgoingCheckpoint>> make_checkpoint(
      const Environment& environment);
  [[nodiscard]] static Result<> list_files(const StorageEngine& engine,
                                           OutgoingCheckpoint& checkpoint);

  const Environment environment_;
  replication::CheckpointShelf shelf_;
  std::map<Id128, std::shared_ptr<const OutgoingCheckpoint>> checkpoints_;
  std::map<replication::CopyUser, Given> asking_;
  replication::CopyUser next_user_ = 1;
};

}  // namespace zeolite::daemon
