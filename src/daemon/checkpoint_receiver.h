#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "daemon/server.h"
#include "net/io_shard.h"
#include "storage/file_descriptor.h"
#include "storage/file_hash.h"
#include "wire/messages.h"

namespace zeolite::daemon {

// Takes a copy of the upstream's database into `incoming` beside the own one. When it is complete,
// each file checked and on the disk, the server begins anew and installs it
// (storage/checkpoint_install.h). What is there when the connection is cut stays, and the next try
// goes on with it, if the upstream still has that copy.
// Thread: the replication shard's; files are written on the pool, in order. Owner: the
// ReplicationService.
class CheckpointReceiver {
 public:
  struct Events {
    std::function<void(const wire::CheckpointRequest&)> request;
    std::function<void(const wire::CheckpointAck&)> acknowledge;
    // Once. Success: complete, for the cluster that is named. May destroy the receiver.
    std::function<void(Result<Id128> cluster)> finished;
    LogSink log;
  };
  // The pool has one thread.
  CheckpointReceiver(std::filesystem::path data, net::IoShard& shard,
                     boost::asio::thread_pool& pool, Events events);
  ~CheckpointReceiver();

  // Asks for a copy, or for the rest of one.
  void start();
  // CheckpointBegin or CheckpointChunk; others are ignored.
  void on_message(const wire::Message& message);

 private:
  class Files;
  void on_begin(const wire::CheckpointBegin& begin);
  void on_chunk(const wire::CheckpointChunk& chunk);
  void finish(Result<Id128> result);
  template <typename Work, typename Done>
  void run_on_pool(Work work, Done done);

  net::IoShard& shard_;
  boost::asio::thread_pool& pool_;
  const std::shared_ptr<Events> events_;
  const std::shared_ptr<Files> files_;  // the pool's
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool finished_ = false;
  std::uint64_t total_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t told_percent_ = 0;
};

}  // namespace zeolite::daemon
