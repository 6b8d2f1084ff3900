#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "daemon/cluster_view.h"
#include "daemon/durable_bell.h"
#include "daemon/group_ring.h"
#include "daemon/lag_meter.h"
#include "daemon/outgoing_checkpoints.h"
#include "daemon/peer_link.h"
#include "daemon/server.h"
#include "daemon/serving_limits.h"
#include "daemon/standby_applier.h"
#include "daemon/storage_engine.h"
#include "daemon/upstream_link.h"
#include "etcd/etcd_client.h"
#include "net/io_shard.h"
#include "replication/node.h"
#include "storage/node_file.h"
#include "storage/rocks_object_store.h"

namespace zeolite::daemon {

class CheckpointReceiver;

// Carries out what the replication node decides: connections to and from other servers, the
// promises on disk, the engine's role, etcd. Thin: no decision is made here.
//
// Thread: start() and stop() by the server's; adopt(), command() and the LogObserver's functions
// from any; all else on the service's own shard. Owner: the server, before the engine.
class ReplicationService final : public LogObserver {
 public:
  struct Options {
    replication::Node::Options node;
    std::filesystem::path data;       // the database's directory
    std::vector<net::HostPort> etcd;  // with node.elects
    std::string etcd_prefix;          // name of the keys there
    std::uint64_t checkpoint_bytes_per_second = 0;
    std::string durability;                               // for status
    std::function<void(std::int64_t lease)> lease_taken;  // may be empty
  };
  struct Events {
    // The role or the other nodes are about to change in view(): what of it has to outlive the
    // process is to be durable when this returns. Comes before `changed`; on the service's thread.
    std::function<void(const ClusterView&)> keep;
    // The role or the other nodes have changed; on the service's thread.
    std::function<void(const ClusterView&)> changed;
    // The server is to begin anew: as a standby of `follow` if that is not empty. `why` for people.
    struct Restart {
      std::string why;
      std::string follow;
      bool was_primary = false;
      std::optional<Id128> cluster = std::nullopt;  // that the own, empty database is to join
    };
    std::function<void(Restart)> restart;
    std::function<void(Error)> fatal;
    LogSink log;
  };
  using CommandDone = std::function<void(Result<wire::RoleChanged>)>;

  ReplicationService(Options options, std::unique_ptr<storage::NodeFile> node_file, Events events);
  ~ReplicationService() override;

  // `engine` follows nobody yet (StorageEngine::Options::leads is false) and outlives stop().
  void start(StorageEngine& engine, storage::RocksObjectStore& store);
  // Gives the leadership back, closes all connections. The engine is not called afterwards.
  void stop();

  // A standby's connection, with the first thing it said. `released`: StreamConnection::release().
  void adopt(int released, wire::ReplicaHello hello);
  void promote(const wire::Promote& request, CommandDone done);
  void switchover(const wire::Switchover& request, CommandDone done);
  void demote(CommandDone done);

  [[nodiscard]] std::shared_ptr<const ClusterView> view() const { return board_.view(); }
  [[nodiscard]] const ServingLimits& limits() const { return limits_; }

  // LogObserver.
  void on_writing(const Position& previous, std::span<const TransactionRecord> group) override;
  void on_durable(const Position& last) override;

 private:
  // Runs `step(node, now, actions)` and carries out what it asks for.
  template <typename F>
  void with_node(F step) {
    if (stopped_ || !node_) return;
    step(*node_, clock_.now().instant, actions_);
    carry_out();
  }
  void carry_out();
  void carry_out(replication::Action& what);
  void tick();
  void schedule_tick();
  void refresh_view();
  void refresh_limits();
  [[nodiscard]] wire::StatusReport::Standby status_of(const replication::PeerStatus& peer,
                                                      Instant now) const;

  void run(replication::action::StorePromise& promise);
  void run(replication::action::StoreHeard& heard);
  void store(std::function<Result<>()> step);
  void halt(Error why, std::function<Result<>()> again = {});
  void show_halted();
  void try_again();
  void run(replication::action::Append& append);
  void run(replication::action::Rollback& rollback);
  void run(replication::action::Locate& locate);
  void run(replication::action::TakeCheckpoint& take);
  void run(replication::action::InstallCheckpoint& install);
  void run(replication::action::DiscardCopy& discard);
  void run(replication::action::Lead& lead);
  void run(replication::action::Serve& serve);
  void run(replication::action::SetWaiting& waiting);
  void run(replication::action::Acknowledge& acknowledge);
  void run(replication::action::Show& show);
  void run(replication::action::HoldCommits& hold);
  void run(replication::action::ReleaseCommits& release);
  void run(replication::action::StepDown& down);
  void run(replication::action::Connect& connect);
  void run(replication::action::Disconnect& disconnect);
  void run(replication::action::ToUpstream& message);
  void run(replication::action::ToPeer& message);
  void run(replication::action::ClosePeer& close);
  void run(replication::action::Compare& compare);
  void run(replication::action::Feed& feed);
  void run(replication::action::AskDcs& ask);
  void run(replication::action::Answer& answer);
  void run(replication::action::Note& note);

  // A command, as soon as it is its turn; the step is told its number.
  template <typename F>
  void command(CommandDone done, F step);
  [[nodiscard]] Position durable_or_told(Tid wanted);
  [[nodiscard]] PeerLink::Events peer_events(replication::PeerId peer);
  [[nodiscard]] UpstreamLink::Events upstream_events();
  void add_peer(net::Socket socket, wire::ReplicaHello hello);
  // The own database is empty: it joins the upstream's cluster.
  [[nodiscard]] bool joins_cluster(const replication::UpstreamMessage& message);
  [[nodiscard]] Result<> archive(Position to) const;
  void remove_undone_blobs() const;
  void on_rolled_back(const Result<Position>& end);
  void make_outgoing();
  void make_applier();
  void read_on();
  void log_starved(const std::optional<Error>& why);  // from any thread
  void let_leave(std::shared_ptr<void> link);
  void pump_peers();
  void update_wanted();
  void restart(Events::Restart restart);
  replication::CommandId remember(CommandDone done);
  // Runs it on the shard's thread, unless this has stopped by then.
  template <typename F>
  void post(F function) {
    shard_.post([this, function = std::move(function)]() mutable {
      if (!stopped_) function();
    });
  }

  const Options options_;
  const Events events_;
  SystemClock clock_;
  const std::unique_ptr<storage::NodeFile> node_file_;
  ClusterBoard board_;
  ServingLimits limits_;
  LagMeter lags_;
  net::IoShard shard_{"replication"};
  boost::asio::thread_pool pool_{1};             // reads of the log
  boost::asio::thread_pool checkpoint_pool_{1};  // files of copies
  boost::asio::steady_timer timer_{shard_.context()};
  // Set once: the engine tells of what it appends after stop(), too.
  StorageEngine* engine_ = nullptr;
  bool ended_ = false;  // the server's thread's
  storage::RocksObjectStore* store_ = nullptr;
  GroupRing ring_;
  std::atomic<bool> pump_posted_ = false;
  DurableBell durable_bell_;

  // The shard's.
  std::unique_ptr<replication::Node> node_;
  replication::Actions actions_;
  bool carrying_out_ = false;
  bool stopped_ = false;  // the node is told nothing, and nothing that it asked for is carried out
  // Stopped until there is space for what could not be stored.
  struct Halted {
    Error why;
    std::function<Result<>()> again;  // stores it
    Instant try_at{};
  };
  std::optional<Halted> halted_;
  bool restarting_ = false;
  std::shared_ptr<UpstreamLink> upstream_;
  std::map<replication::PeerId, std::shared_ptr<PeerLink>> peers_;
  replication::PeerId next_peer_ = 1;
  // Links that were closed, and until when each is kept.
  std::deque<std::pair<Instant, std::shared_ptr<void>>> leaving_;
  std::unique_ptr<StandbyApplier> applier_;
  bool reading_paused_ = false;
  std::string unfed_;           // why a standby could not be served, as last told
  bool blobs_starved_ = false;  // as last told, over whichever connection
  std::unique_ptr<CheckpointReceiver> receiver_;
  std::shared_ptr<OutgoingCheckpoints> outgoing_;
  std::unique_ptr<etcd::EtcdClient> etcd_;
  std::size_t etcd_pending_ = 0;
  replication::LeaseId lease_ = 0;  // told last
  std::map<replication::CommandId, CommandDone> commands_;
  replication::CommandId next_command_ = 1;
};

}  // namespace zeolite::daemon
