#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "base/time.h"
#include "daemon/answer_room.h"
#include "daemon/cluster_view.h"
#include "daemon/config.h"
#include "daemon/hub_client.h"
#include "daemon/server.h"
#include "daemon/serving_limits.h"
#include "net/shared_budget.h"
#include "net/stream_connection.h"

namespace zeolite::daemon {

class ShardHub;

// What all connections of the server share.
struct ConnectionEnvironment {
  const ServerConfig* config = nullptr;
  // What this server is to its cluster; null: it does not replicate.
  std::function<std::shared_ptr<const ClusterView>()> cluster;
  // For how long what is answered is true; null: it does not replicate.
  const ServingLimits* limits = nullptr;
  // A standby's connection: takes the socket over.
  std::function<void(int released, wire::ReplicaHello hello)> adopt_standby;
  const Clock* clock = nullptr;
  LogSink log;
  // The hub of a storage on the calling shard; null when there is no storage of that name.
  std::function<ShardHub*(std::size_t shard, const std::string& storage)> find_hub;
  net::SharedBudget* staged = nullptr;   // held by unfinished transactions
  net::SharedBudget* buffers = nullptr;  // of slow peers: unsent output, unfinished messages
  // The state of all storages for ZEO's monitoring, as JSON.
  std::function<std::string()> monitoring;
  const net::SecureChannels* zeo_tls = nullptr;  // of the ZEO ports; null: they speak without TLS
  // The connection is closed and may be forgotten.
  std::function<void(std::size_t shard, commit::OwnerId)> ended;
};

// A connection as the server keeps it, whatever protocol it speaks. Decides when its socket is not
// read for a while: too many requests wait for answers, or too much output for the peer.
// Thread: its shard's. Owner: shared by the server's register, its hub and reads under way.
class ClientConnection : public HubClient {
 public:
  // `environment` outlives this.
  explicit ClientConnection(ConnectionEnvironment& environment)
      : environment_(environment), room_(environment.config->outbound_bytes_max / 2) {}

  virtual void start() = 0;
  // At once, without last words.
  virtual void close(Error why) = 0;
  // About every second: closes peers that do not move on.
  virtual void check_progress(Instant now) = 0;
  // The cluster has another primary, or other standbys.
  virtual void cluster_changed() {}
  // Another server can do more for who has been parked since before then.
  virtual void try_elsewhere(Instant /*parked_before*/) {}

  // HubClient.
  void read_began() final { ++reads_waiting_; }
  void read_ended(std::size_t room) final;
  [[nodiscard]] bool take_room(std::size_t bytes) final { return room_.take(bytes); }
  [[nodiscard]] bool crowded() const final { return crowded_.load(); }
  [[nodiscard]] bool gone() const final { return room_.lifted(); }
  void when_room(std::function<void()> resume) final;

 protected:
  [[nodiscard]] ConnectionEnvironment& environment() const { return environment_; }
  // Why nobody may be told now what this server knows: its time as the primary is over. Looked at
  // when a reader is answered, not only when a timer comes round.
  [[nodiscard]] std::optional<Error> why_silent() const;
  // To be called when pending() or the output has changed.
  void adjust_reading();
  // The peer has to wait until what it sent before is done.
  [[nodiscard]] bool reading_paused() const { return reading_paused_; }
  // To be called when all output is written, and when the connection is closed.
  void output_gone();
  [[nodiscard]] std::size_t reads_waiting() const { return reads_waiting_; }
  // One line about a connection that has ended, for the log; `who` names the client.
  void log_end(const std::string& who, bool attached, const Error& why) const;

 private:
  [[nodiscard]] virtual net::StreamConnection& stream() = 0;
  // Requests that wait for answers of the coordinator.
  [[nodiscard]] virtual std::size_t pending() const { return 0; }
  // What was read already waits to be written.
  [[nodiscard]] virtual bool holds_enough() const { return false; }

  void resume_one();

  ConnectionEnvironment& environment_;
  AnswerRoom room_;
  std::deque<std::function<void()>> waiting_for_room_;
  std::atomic<bool> crowded_ = false;  // waiting_for_room_ is not empty
  std::size_t reads_waiting_ = 0;
  bool reading_paused_ = false;
};

}  // namespace zeolite::daemon
