#pragma once

#include <any>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/event_queue.h"
#include "sim/messages.h"
#include "sim/network.h"
#include "sim/random.h"
#include "sim/server.h"

namespace zeolite::sim {

// Moves money between accounts, one commit after the other, and finds out how each ended: when the
// answer is lost it asks, or sends the same commit again, at whatever server it finds. Or it only
// reads, from anybody.
class Client {
 public:
  struct Options {
    bool reads_only = false;
    bool late_copies = false;                        // of its requests arrive somewhere, some time
    bool opens = false;                              // puts the money into the accounts
    Duration pause = std::chrono::milliseconds(20);  // about so long between transactions
  };

  Client(World world, std::size_t index, Random random, const Options& options,
         std::vector<Host> servers);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start();
  // Begins no more transactions; what is under way is brought to its end.
  void finish() { finishing_ = true; }
  [[nodiscard]] bool finished() const { return finishing_ && !pending_; }
  [[nodiscard]] Host host() const { return host_; }
  [[nodiscard]] std::uint64_t committed() const { return committed_; }

 private:
  void reconnect(const std::string& leader, Duration pause);
  void send_late_copy();
  void proceed();
  void send(Message message);
  void received(Message message);
  void on_read(const ReadReply& reply);
  void on_commit(const CommitReply& reply);
  void begin_transfer(const ReadReply& reply);
  void end_transaction();
  void again_after(Duration pause);

  World world_;
  std::size_t index_;
  Random random_;
  Options options_;
  std::vector<Host> servers_;
  Process process_;
  Host host_ = 0;
  ConnectionId connection_ = 0;
  bool connected_ = false;
  std::uint64_t number_ = 0;  // of the request that is answered next
  std::uint64_t commits_ = 0;
  std::optional<CommitRequest> pending_;  // how it ended is not known yet
  bool sent_ = false;                     // and it was sent once
  bool finishing_ = false;
  std::uint64_t committed_ = 0;
};

}  // namespace zeolite::sim
