#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/error.h"
#include "daemon/incoming_copy.h"
#include "daemon/server.h"
#include "net/io_shard.h"
#include "wire/messages.h"

namespace zeolite::daemon {

// Takes a copy of the upstream's database into `incoming` beside the own one (IncomingCopy). That
// it is complete, each file checked and on the disk, makes nothing of it: whether it is installed
// is the node's decision. What is there when the connection is cut stays, and the next try goes on
// with it, if it is still of use and the upstream still has that copy. Thread: the replication
// shard's; files are written on the pool, in order. Owner: the ReplicationService.
class CheckpointReceiver {
 public:
  struct Complete {
    Id128 cluster{};
    Position position;  // the end of its log
  };
  struct Events {
    std::function<void(const wire::CheckpointRequest&)> request;
    std::function<void(const wire::CheckpointAck&)> acknowledge;
    // Once. May destroy the receiver.
    std::function<void(Result<Complete>)> finished;
    LogSink log;
  };
  // The pool has one thread.
  CheckpointReceiver(std::filesystem::path data, net::IoShard& shard,
                     boost::asio::thread_pool& pool, Events events);
  ~CheckpointReceiver();

  // Asks for a copy, or for the rest of one. Once.
  void start(const replication::Follower::TakeCheckpoint& take);
  // CheckpointBegin or CheckpointChunk; others are ignored.
  void on_message(const wire::Message& message);

 private:
  void on_begin(const wire::CheckpointBegin& begin);
  void on_chunk(const wire::CheckpointChunk& chunk);
  void complete();
  void finish(Result<Complete> result);
  template <typename Work, typename Done>
  void run_on_pool(Work work, Done done);

  net::IoShard& shard_;
  boost::asio::thread_pool& pool_;
  const std::shared_ptr<Events> events_;
  const std::shared_ptr<IncomingCopy> files_;  // the pool's
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool finished_ = false;
  std::uint64_t total_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t told_percent_ = 0;
};

}  // namespace zeolite::daemon
