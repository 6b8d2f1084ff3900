#pragma once

#include <any>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replication/checkpoint_shelf.h"
#include "replication/node.h"
#include "sim/checker.h"
#include "sim/engine.h"
#include "sim/event_queue.h"
#include "sim/messages.h"
#include "sim/model_dcs.h"
#include "sim/mutation.h"
#include "sim/network.h"
#include "sim/random.h"
#include "sim/sim_store.h"
#include "sim/trace.h"

namespace zeolite::sim {

// What all servers and clients of a run live in.
struct World {
  EventQueue& queue;
  Network& network;
  ModelDcs& service;
  Checker& checker;
  Trace& trace;
  Mutation mutation = Mutation::none;
  // A log is only kept so far back, in entries; who is further behind needs a checkpoint. 0: all.
  std::size_t log_kept = 0;
};

// A server: the real replication::Node and CommitCoordinator, run as the daemon runs them, on a
// simulated disk and network. It dies and is started again on the same disk.
//
// Actions of the Node are carried out one after the other; those that take time (a promise, the
// beginning of a reign) hold up the next, and inputs go on meanwhile.
class Server {
 public:
  struct Options {
    replication::Node::Options node;  // id, name and address are set here
    std::int64_t drift_ppm = 0;       // its clock runs so much faster
    std::int64_t wall_us = 0;         // its wall clock at the beginning
    Duration usual_sync = std::chrono::milliseconds(1);
  };

  Server(World world, std::size_t index, Random random, Options options);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // ---- what happens to it ----

  void start();
  // `silently`: those that are connected are not told.
  void crash(bool silently);
  void pause_for(Duration time);
  void jump_wall_clock(std::int64_t by_us) { options_.wall_us += by_us; }
  void switch_over(const std::string& target);
  void demote();
  void promote(bool force);
  void pack();
  // Without an election: an operator starts it again, as a standby.
  void restart_as_standby_of(const Server& leader);

  [[nodiscard]] bool alive() const { return node_ != nullptr; }
  [[nodiscard]] bool elects() const { return options_.node.elects; }
  [[nodiscard]] bool serving() const { return engine_ && engine_->serving(); }
  [[nodiscard]] SimStore& disk() { return disk_; }
  [[nodiscard]] const SimStore& disk() const { return disk_; }
  [[nodiscard]] const replication::NodeId& id() const { return options_.node.id; }
  [[nodiscard]] const replication::Node* node() const { return node_.get(); }
  [[nodiscard]] Host host() const { return host_; }
  [[nodiscard]] bool follows(const Server& leader) const {
    return !role_.leads && role_.follows == leader.options_.node.address;
  }
  [[nodiscard]] bool leads() const { return engine_ != nullptr; }

 private:
  using Actions = replication::Actions;
  // A standby that is fed.
  struct Feeder {
    Position sent;
  };
  // A copy that is sent.
  struct Sending {
    replication::CopyUser user = 0;
    wire::CheckpointRequest request{};
    std::optional<Id128> id{};  // of the checkpoint that it was given
    std::size_t confirmed = 0;  // files
  };
  struct Checkpoint {
    wire::CheckpointBegin begin{};
    SimStore::Files files{};
  };

  // server.cc: its life, and what it hears.
  [[nodiscard]] bool broken(Mutation rule) const { return world_.mutation == rule; }
  [[nodiscard]] bool resumes() const;
  void begin_anew(Duration abstain);
  void keep_role();
  void end_process();
  void tick_later();
  void lost(ConnectionId connection, const std::string& why);
  void received(ConnectionId connection, Message message);
  void from_peer(ConnectionId connection, Message& message, Actions& actions);
  void read(ConnectionId connection, const ReadRequest& request);
  [[nodiscard]] Engine::Outputs engine_outputs();
  void acknowledged(Tid up_to);
  void on_own_durable(const Position& last);
  void on_begun(Position begin);
  void acknowledge_without_the_lost();
  void note_durable();
  [[nodiscard]] Now now() const;
  [[nodiscard]] Instant instant() const { return now().instant; }
  // Something later in this life and on this Node.
  void later(Duration delay, std::function<void()> event);
  // An input to the Node, and what it asks for.
  void input(const std::function<void(replication::Node&, Actions&)>& give);

  // server_actions.cc: what the Node asks for.
  void carry_out_next();
  void carry_out(replication::Action& action);
  void wait_for(std::function<void(std::function<void()> done)> start);
  void when_idle(std::function<void()> then);
  void store_promise(Epoch epoch);
  void store_heard(Epoch epoch);
  void on_stored(bool stored, const std::function<void()>& done);
  void begin_anew_when_there_is_room();
  void lead(const replication::action::Lead& lead);
  void serve(const replication::action::Serve& serve);
  void append(wire::ReplicaAppend group);
  void append_next();
  void hold_removals_back(wire::ReplicaAppend& group);
  void show(Tid visible);
  void appended(const Position& last);
  void roll_back(const Position& to);
  void compare(ConnectionId peer, const Position& position);
  [[nodiscard]] replication::Comparison look(const Position& position) const;
  void feed_all();
  void feed(ConnectionId peer, Feeder& feeder);
  [[nodiscard]] Position furthest_behind(const Position& end) const;
  void step_down(const replication::action::StepDown& down);
  void connect(const std::string& address);
  void ask(const replication::dcs::Request& request);
  void send(ConnectionId connection, Message message);

  // server_copies.cc: copies that it sends, and the one that it takes.
  [[nodiscard]] replication::CheckpointShelf new_shelf();
  void on_copy_request(ConnectionId connection, const wire::CheckpointRequest& request);
  void stop_sending(ConnectionId connection);
  void carry_out(const replication::CheckpointShelf::Effects& effects);
  void make_checkpoint();
  void begin_sending(replication::CopyUser user, const Id128& id);
  void send_file(ConnectionId connection);
  void on_copy_ack(ConnectionId connection, const wire::CheckpointAck& ack);
  void refuse_copy(replication::CopyUser user);
  [[nodiscard]] bool may_take(const Id128& cluster, const Position& position) const;
  void take_checkpoint(const replication::action::TakeCheckpoint& take);
  void give_up_copy();
  void on_copy_begin(ConnectionId connection, const wire::CheckpointBegin& begin);
  void on_copy_file(ConnectionId connection, CopyFile file);
  void on_copy_whole();
  void install_checkpoint(const replication::action::InstallCheckpoint& install);
  void discard_copy();
  void install_what_is_complete();

  World world_;
  const std::size_t index_;
  Random random_;
  Options options_;
  Process process_;
  Host host_ = 0;
  SimStore disk_;

  // The file ROLE, without an election.
  struct Role {
    bool leads = false;
    std::string follows{};
    std::vector<std::string> standbys{};  // while it leads, the newest first
  };
  Role role_;

  // Of one Node; a new one has a new number.
  std::uint64_t life_ = 0;
  std::unique_ptr<replication::Node> node_;
  std::unique_ptr<Engine> engine_;
  std::deque<replication::Action> actions_;
  bool carrying_out_ = false;
  bool waits_ = false;
  bool ending_ = false;
  bool gone_on_ = false;    // broken: after a handover
  bool feeds_off_ = false;  // broken: before one
  ConnectionId upstream_ = 0;
  std::map<ConnectionId, Feeder> feeders_;
  replication::CheckpointShelf shelf_;
  std::map<Id128, Checkpoint> checkpoints_;
  std::map<ConnectionId, Sending> sendings_;
  replication::CopyUser next_user_ = 1;
  std::uint64_t receiver_ = 0;  // of copies; what came for an earlier one counts no more
  std::optional<replication::action::TakeCheckpoint> taking_;
  bool begun_ = false;  // it was told which copy it gets
  std::deque<wire::ReplicaAppend> appends_;
  bool appending_ = false;
  Tid shown_;
  Tid noted_;  // the checker knows the log up to here
};

}  // namespace zeolite::sim
