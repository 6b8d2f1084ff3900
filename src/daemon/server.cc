#include "daemon/server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <type_traits>
#include <utility>

#include "base/milliseconds.h"
#include "daemon/blob_settler.h"
#include "daemon/connection_limit.h"
#include "daemon/connection_register.h"
#include "daemon/native_connection.h"
#include "daemon/pack_service.h"
#include "daemon/replication_service.h"
#include "daemon/shard_hub.h"
#include "daemon/standby_start.h"
#include "daemon/storage_engine.h"
#include "daemon/storage_start.h"
#include "daemon/version.h"
#include "daemon/zeo_connection.h"
#include "etcd/etcd_json.h"
#include "net/listener.h"
#include "storage/last_told.h"

namespace zeolite::daemon {

namespace {

constexpr unsigned kIoThreadsMax = 4;
constexpr auto kSweepInterval = std::chrono::seconds(1);
// Each may wait for the disk for long.
constexpr unsigned kBlobThreads = 4;
// A client tries a port that refused it again after one to two seconds.
constexpr auto kRoundAfter = std::chrono::seconds(5);
constexpr auto kLiving = std::chrono::seconds(1);  // a primary that was heard of so lately
constexpr auto kDrainTimeout = std::chrono::seconds(10);
constexpr auto kGoodbyeTimeout = std::chrono::seconds(1);
// How long a start waits for the node to serve as primary, before it says that it is ready.
constexpr auto kLeadTimeout = std::chrono::seconds(5);

unsigned io_threads(const ServerConfig& config) {
  if (config.io_threads != 0) return config.io_threads;
  return std::clamp(std::thread::hardware_concurrency(), 1U, kIoThreadsMax);
}

}  // namespace

class Server::Impl {
 public:
  using End = Server::End;
  using ZeoClient = ConnectionLimit::ZeoClient;

  Impl(ServerConfig config, LogSink log)
      : config_(std::move(config)),
        log_(std::move(log)),
        staged_(config_.staged_bytes_max),
        buffers_(config_.buffers_max),
        limit_(config_.connections_max, log_),
        read_pool_(config_.read_threads) {
    connection_environment_.config = &config_;
    connection_environment_.clock = &clock_;
    connection_environment_.log = log_;
    connection_environment_.staged = &staged_;
    connection_environment_.buffers = &buffers_;
    connection_environment_.find_hub = [this](std::size_t shard, const std::string& storage) {
      return find_hub(shard, storage);
    };
    connection_environment_.ended = [this](std::size_t shard, commit::OwnerId owner) {
      shards_[shard].connections.remove(owner);
      limit_.closed();
    };
    hub_environment_.read_pool = &read_pool_;
    hub_environment_.long_reads = &long_reads_;
    hub_environment_.blob_pool = &blob_pool_;
    hub_environment_.check_pool = &check_pool_;
    hub_environment_.checks = &checks_;
    // Room for the encoding around the items.
    hub_environment_.body_max = config_.frame_bytes_max - config_.frame_bytes_max / 16;
    connection_environment_.monitoring = [this] { return monitoring(); };
    hub_environment_.invalidations_max = config_.zeo_invalidations_max;
    hub_environment_.pack = [this](ShardHub& hub, const PackService::Request& request,
                                   PackService::Done done) {
      packs_.pack(hub.engine(), request, [this, &hub, done = std::move(done)](auto report) {
        // Of one that failed nobody knows how far it came.
        const bool packed = !report || report->removed_revisions > 0;
        for (const Shard& shard : shards_) {
          for (const auto& other : shard.hubs) {
            if (packed && &other->engine() == &hub.engine()) other->packed();
          }
        }
        hub.post([done, report = std::move(report)] { done(report); });
      });
    };
    hub_environment_.zeo_pack_gc = config_.zeo_pack_gc;
    hub_environment_.zeo_status = [this](const auto& engine) { return zeo_status(engine); };
    hub_environment_.fill_status = [this](wire::StatusReport& report) { fill_status(report); };
    read_config_ = config_;
    read_config_.zeo_read_only = true;
    read_config_.zeo_parks = false;
  }

  ~Impl() { shut_down(); }

  Result<> start() {
    if (config_.zeo_tls) {
      const auto warn = [this](const std::string& what) { log_(LogLevel::warning, what); };
      ASSIGN_OR_RETURN(zeo_tls_, tls::TlsContext::load(*config_.zeo_tls, warn));
    }
    connection_environment_.zeo_tls = zeo_tls_.get();
    started_ = clock_.now().instant;
    started_s_ = clock_.now().wall.unix_us / 1'000'000;
    shards_.resize(io_threads(config_));
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      shards_[i].io = std::make_unique<net::IoShard>("io-" + std::to_string(i));
    }
    hub_environment_.record_cache_bytes =
        config_.record_cache_bytes / (shards_.size() * config_.storages.size());
    // The address is part of what the node tells others.
    RETURN_IF_ERROR(take_addresses());
    if (config_.storages.size() == 1) {
      RETURN_IF_ERROR(open_node());
    } else if (config_.replication.standby_of || !config_.replication.etcd.empty()) {
      return make_error(ErrorCode::invalid_argument,
                        "a server that replicates serves one storage; run one for each");
    }
    for (const StorageConfig& storage : config_.storages) RETURN_IF_ERROR(open_storage(storage));
    for (const auto& engine : engines_) {
      const Tid last_told = storage::last_told_tid(engine->store());
      for (std::size_t i = 0; i < shards_.size(); ++i) {
        shards_[i].hubs.push_back(
            std::make_unique<ShardHub>(*shards_[i].io, i, *engine, hub_environment_, last_told));
      }
    }
    for (std::size_t i = 0; i < shards_.size(); ++i) start_sweep(i);
    if (!replication_) {
      for (const auto& engine : engines_) packs_.resume(*engine);
    }
    return listen();
  }

  std::string native_address() const {
    return native_ ? native_->address().to_string() : std::string();
  }
  std::string zeo_address() const { return zeo_ ? zeo_->address().to_string() : std::string(); }
  std::string zeo_read_address() const {
    return zeo_read_ ? zeo_read_->address().to_string() : std::string();
  }

  void request_stop() {
    const std::lock_guard lock(mutex_);
    stop_requested_ = true;
    stop_changed_.notify_all();
  }

  Result<End> wait() {
    std::unique_lock lock(mutex_);
    stop_changed_.wait(lock, [this] { return stop_requested_ || restart_ || fatal_; });
    if (fatal_) return std::unexpected(*fatal_);
    lock.unlock();
    shut_down();
    lock.lock();
    if (fatal_) return std::unexpected(*fatal_);
    End end;
    if (!stop_requested_ && restart_) end.restart = next_config(*restart_);
    return end;
  }

 private:
  struct Shard {
    std::unique_ptr<net::IoShard> io;
    std::vector<std::unique_ptr<ShardHub>> hubs;  // in the order of engines_
    ConnectionRegister connections;
    std::unique_ptr<boost::asio::steady_timer> sweep;
    commit::OwnerId opened = 0;  // connections so far
    bool sent_round = false;
  };

  // The node's directory, and the service that connects it to others.
  Result<> open_node() {
    const StorageConfig& storage = config_.storages.front();
    ASSIGN_OR_RETURN(NodeDirectory directory,
                     open_node_directory(storage, config_.replication, log_));
    directory_lock_ = directory.lock;
    ReplicationService::Options options;
    const net::HostPort native = native_ ? native_->address().tcp : net::HostPort{};
    ASSIGN_OR_RETURN(options.node, node_options(config_, *directory.node, native, log_));
    leads_at_start_ = options.node.leads;
    options.data = storage.directory;
    options.etcd = config_.replication.etcd;
    ASSIGN_OR_RETURN(options.etcd_prefix, etcd::key_prefix(config_.replication.cluster));
    options.checkpoint_bytes_per_second = config_.replication.checkpoint_bytes_per_second;
    options.durability = durability_name(config_.replication);
    options.lease_taken = config_.replication.lease_taken;
    ReplicationService::Events events;
    events.keep = [this](const ClusterView& view) {
      if (auto decision = role_to_keep(view, leads_at_start_)) keep(*std::move(decision));
    };
    events.changed = [this](const ClusterView& view) { on_cluster_changed(view); };
    events.restart = [this](ReplicationService::Events::Restart restart) {
      log_(LogLevel::info, "the server begins anew: " + restart.why);
      const std::lock_guard lock(mutex_);
      restart_ = std::move(restart);
      stop_changed_.notify_all();
    };
    events.fatal = [this](Error why) { fail(std::move(why)); };
    events.log = log_;
    replication_ = std::make_unique<ReplicationService>(
        std::move(options), std::move(directory.node), std::move(events));
    connection_environment_.cluster = [service = replication_.get()] { return service->view(); };
    connection_environment_.limits = &replication_->limits();
    connection_environment_.adopt_standby = [service = replication_.get()](
                                                int released, wire::ReplicaHello hello) {
      service->adopt(released, std::move(hello));
    };
    hub_environment_.replication = replication_.get();
    return {};
  }

  // On the service's thread.
  void on_cluster_changed(const ClusterView& view) {
    if (view.role == wire::NodeRole::primary) {
      open_port(zeo_);
      open_port(zeo_read_);
      packs_.resume(*engines_.front());
    } else if (view.role == wire::NodeRole::standby) {
      if (view.shows && found_primary_.load() == Instant{}) found_primary_ = clock_.now().instant;
      if (view.shows) open_port(zeo_read_);
    }
    if (view.role != wire::NodeRole::starting) {
      const std::lock_guard lock(mutex_);
      role_known_ = true;
      stop_changed_.notify_all();
    }
    for (Shard& shard : shards_) {
      shard.io->post([&shard] {
        shard.connections.for_each([](ClientConnection& one) { one.cluster_changed(); });
      });
    }
  }

  void open_port(const std::unique_ptr<net::Listener>& listener) {
    if (!listener) return;
    // Waits: who is told that the server is ready finds it open.
    shards_[0].io->run([this, &listener] {
      if (!opened_.insert(listener.get()).second) return;
      if (Result<> listening = listener->start(); !listening) {
        log_(LogLevel::error, listening.error().detail);
      }
    });
  }

  // How the server begins anew: with the ports it has.
  ServerConfig next_config(const ReplicationService::Events::Restart& restart) {
    ServerConfig next = config_;
    if (native_) next.native = native_->address().tcp;
    if (zeo_) next.zeo = zeo_->address();
    if (zeo_read_) next.zeo_read = zeo_read_->address();
    begin_anew(restart, next.replication);
    next.replication.resume.native = std::move(kept_native_);
    if (restart.was_primary) {
      keep({.configured = {}, .leads = false, .follows = restart.follow});
    }
    return next;
  }

  void keep(RoleDecision decision) {
    if (Result<> kept = keep_role(config_, std::move(decision)); !kept) {
      log_(LogLevel::error, kept.error().detail);
    }
  }

  Result<> open_storage(const StorageConfig& storage) {
    ASSIGN_OR_RETURN(std::unique_ptr<storage::RocksObjectStore> store,
                     open_store(config_, storage, directory_lock_, log_));
    rocks_store_ = store.get();
    const std::size_t index = engines_.size();
    StorageEngine::Options engine_options;
    engine_options.name = storage.name;
    engine_options.commit.vote_timeout = config_.vote_timeout;
    engine_options.commit.lock_timeout = config_.lock_timeout;
    engine_options.group_wait_max = config_.group_wait_max;
    engine_options.inline_sync_max = config_.inline_sync_max;
    engine_options.shards = shards_.size();
    engine_options.leads = replication_ == nullptr;
    engine_options.observer = replication_.get();
    engine_options.run_apart = [this](std::function<void()> work) {
      boost::asio::post(read_pool_, std::move(work));
    };
    if (storage.keeps_blobs) {
      ASSIGN_OR_RETURN(engine_options.blobs, open_blobs(config_, storage, *store, log_));
      settler_.add(*engine_options.blobs);
    }
    engine_options.warn = [log = log_](const Error& why) { log(LogLevel::warning, why.detail); };
    ASSIGN_OR_RETURN(std::unique_ptr<StorageEngine> engine,
                     StorageEngine::start(
                         std::move(engine_options), std::move(store), clock_,
                         [this, index](std::size_t shard) { shards_[shard].hubs[index]->wake(); },
                         [this](Error why) { fail(std::move(why)); }));
    engines_.push_back(std::move(engine));
    return {};
  }

  // All or none: who finds one of them open finds the others.
  Result<> take_addresses() {
    const bool replicates = config_.storages.size() == 1;
    if (config_.native) {
      // Open since the last server of this process: those who wait there are accepted.
      const std::shared_ptr<net::KeptPort> kept = std::move(config_.replication.resume.native);
      ASSIGN_OR_RETURN(native_,
                       listen_for<NativeConnection>(*config_.native, config_, false, kept.get()));
    }
    if (config_.zeo) {
      ASSIGN_OR_RETURN(zeo_, listen_for<ZeoConnection>(*config_.zeo, config_, replicates));
    }
    if (config_.zeo_read) {
      ASSIGN_OR_RETURN(zeo_read_,
                       listen_for<ZeoConnection>(*config_.zeo_read, read_config_, replicates));
    }
    return {};
  }

  Result<> listen() {
    read_environment_ = connection_environment_;
    read_environment_.config = &read_config_;
    for (const auto* listener : {&zeo_, &zeo_read_}) {
      if (!*listener) continue;
      const bool parks = config_.zeo_parks && replication_ && listener == &zeo_;
      (*listener)->accept_while([this, parks](std::size_t under_way) {
        const bool waits = parks && replication_->view()->role != wire::NodeRole::primary;
        return limit_.has_room(under_way, waits ? ZeoClient::parked : ZeoClient::served);
      });
    }
    if (!replication_) {
      for (const auto* listener : {&native_, &zeo_, &zeo_read_}) {
        if (*listener) RETURN_IF_ERROR((*listener)->start());
      }
      return {};
    }
    if (native_) RETURN_IF_ERROR(native_->start());
    if (config_.zeo_parks) open_port(zeo_);
    replication_->start(*engines_.front(), *rocks_store_);
    if (!leads_at_start_) return {};
    std::unique_lock lock(mutex_);
    stop_changed_.wait_for(lock, kLeadTimeout, [this] { return role_known_ || fatal_; });
    if (fatal_) return std::unexpected(*fatal_);
    return {};
  }

  // `reserved`: whether it is refused until the server is the primary, or shows something.
  template <typename Connection>
  Result<std::unique_ptr<net::Listener>> listen_for(const net::ListenAddress& address,
                                                    const ServerConfig& config, bool reserved,
                                                    net::KeptPort* kept = nullptr) {
    auto choose = [this]() -> net::IoShard& { return *shards_[next_shard_++ % shards_.size()].io; };
    auto take = [this, &config](net::Socket socket) {
      accept<Connection>(std::move(socket), config);
    };
    net::IoShard& shard = *shards_[0].io;
    if (kept != nullptr) return net::Listener::reopen(shard, *kept, address, choose, take);
    auto* const open = reserved ? &net::Listener::reserve : &net::Listener::listen;
    return open(shard, address, choose, take);
  }

  // On the shard that the connection is to live on.
  template <typename Connection>
  void accept(net::Socket socket, const ServerConfig& config) {
    const auto found =
        std::ranges::find_if(shards_, [](const Shard& shard) { return shard.io->on_thread(); });
    const auto index = static_cast<std::size_t>(found - shards_.begin());
    if (std::is_same_v<Connection, NativeConnection> && !limit_.admits()) return;
    const commit::OwnerId owner = ++found->opened * shards_.size() + index;
    if (owner >= server::NativeSession::kOwnerLimit) {
      log_(LogLevel::error, "connection numbers are used up; restart the server");
      return;
    }
    limit_.opened();
    ConnectionEnvironment& environment =
        &config == &read_config_ ? read_environment_ : connection_environment_;
    auto connection =
        std::make_shared<Connection>(environment, *found->io, index, owner, std::move(socket));
    found->connections.add(owner, connection);
    connection->start();
  }

  ShardHub* find_hub(std::size_t shard, const std::string& storage) {
    for (std::size_t i = 0; i < config_.storages.size(); ++i) {
      if (config_.storages[i].name == storage) return shards_[shard].hubs[i].get();
    }
    return nullptr;
  }

  void fill_status(wire::StatusReport& report) const {
    report.node = config_.node_name;
    if (replication_) fill_cluster(*replication_->view(), report);
    if (replication_) report.shown_age_ms = replication_->limits().age_ms(clock_.now().instant);
    report.version = kVersion;
    report.clients = limit_.open();
    report.uptime_ms = whole_milliseconds(clock_.now().instant - started_);
    for (const Shard& shard : shards_) {
      for (std::size_t i = 0; i < config_.storages.size(); ++i) {
        if (config_.storages[i].name == report.storage) report.loads += shard.hubs[i]->loads();
      }
    }
  }

  ZeoStatus zeo_status(const StorageEngine& engine) const {
    ZeoStatus status;
    status.storage = engine.name();
    status.counters = engine.counters();
    status.counts = engine.counts();
    status.last_transaction = engine.store().last_transaction();
    status.started_s = started_s_;
    for (const Shard& shard : shards_) {
      for (const auto& hub : shard.hubs) {
        if (&hub->engine() != &engine) continue;
        status.loads += hub->loads();
        status.connections += hub->clients();
      }
    }
    return status;
  }

  std::string monitoring() const {
    std::vector<ZeoStatus> storages;
    for (const auto& engine : engines_) storages.push_back(zeo_status(*engine));
    return monitoring_json(storages);
  }

  void start_sweep(std::size_t index) {
    Shard& shard = shards_[index];
    shard.sweep = std::make_unique<boost::asio::steady_timer>(shard.io->context());
    shard.io->post([this, index] { sweep(index); });
  }

  void sweep(std::size_t index) {
    Shard& shard = shards_[index];
    const Instant now = clock_.now().instant;
    shard.connections.for_each([now](ClientConnection& one) { one.check_progress(now); });
    if (config_.zeo_parks) send_round(shard, now);
    if (index == 0) settler_.look(now);
    shard.sweep->expires_after(kSweepInterval);
    shard.sweep->async_wait([this, index](const boost::system::error_code& cancelled) {
      if (cancelled) return;
      sweep(index);
    });
  }

  // A client that is still parked here though this standby has found a living primary may wait for
  // nothing: stock clients do not try a primary again that has hung up on them before, by
  // restarting as a standby that parked them. Hung up on, they try all servers. Once, for those who
  // have no way to the primary.
  void send_round(Shard& shard, Instant now) {
    const Instant found = found_primary_.load();
    if (shard.sent_round || found == Instant{} || now - found < kRoundAfter) return;
    if (!replication_->limits().is_fresh(kLiving, now)) return;
    shard.sent_round = true;
    const Instant before{now.since_start - kRoundAfter / 2};
    shard.connections.for_each([&](ClientConnection& one) { one.try_elsewhere(before); });
  }

  void fail(Error why) {
    log_(LogLevel::error, why.detail);
    const std::lock_guard lock(mutex_);
    fatal_ = std::move(why);
    stop_changed_.notify_all();
  }

  void say_goodbye() {
    {
      const std::lock_guard lock(mutex_);
      if (restart_ && restart_->was_primary) {
        goodbye_ = {ErrorCode::not_primary, "this server is not the primary any more"};
      }
    }
    for (Shard& shard : shards_) {
      shard.io->run([&] {
        shard.connections.for_each([this](ClientConnection& one) { one.end(goodbye_); });
      });
    }
    const Instant until = clock_.now().instant + kGoodbyeTimeout;
    while (limit_.open() > 0 && clock_.now().instant < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  // In the order that lets everything in flight be answered. Idempotent.
  void shut_down() {
    if (std::exchange(shut_down_, true)) return;
    const auto [failed, restarts] = [this] {
      const std::lock_guard lock(mutex_);
      return std::pair(fatal_.has_value(), restart_.has_value() && !stop_requested_);
    }();
    shards_[0].io->run([this, restarts] {
      if (restarts && native_) kept_native_ = native_->keep();
      for (const auto* listener : {&native_, &zeo_, &zeo_read_}) {
        if (*listener) (*listener)->stop();
      }
    });
    for (const auto& engine : engines_) engine->drain(failed ? Duration{} : kDrainTimeout);
    if (!failed) say_goodbye();
    if (replication_) replication_->stop();
    packs_.stop();
    checks_.stop();
    // First, as what is read or uploaded for who is gone is given up.
    for (Shard& shard : shards_) {
      shard.io->run([&] {
        if (shard.sweep) shard.sweep->cancel();
        std::exchange(shard.connections, {}).for_each([](ClientConnection& one) {
          one.close(Error{ErrorCode::shutting_down, "the server is stopping"});
        });
      });
    }
    for (boost::asio::thread_pool* pool : {&read_pool_, &check_pool_}) pool->stop();
    // The blobs' ends by itself: what was uploaded and not committed is removed.
    for (boost::asio::thread_pool* pool : {&read_pool_, &check_pool_, &blob_pool_}) pool->join();
    for (Shard& shard : shards_) shard.io->stop();
    for (Shard& shard : shards_) shard.io->join();
    engines_.clear();
  }

  ServerConfig config_;
  ServerConfig read_config_;  // of the port for those who only read
  LogSink log_;
  SystemClock clock_;
  Instant started_{};
  // When this server, as a standby, first showed what its primary has; zero before.
  std::atomic<Instant> found_primary_{};
  std::int64_t started_s_ = 0;  // since 1970
  net::SharedBudget staged_;
  net::SharedBudget buffers_;
  ConnectionLimit limit_;
  std::atomic<std::size_t> next_shard_ = 0;
  std::unique_ptr<tls::TlsContext> zeo_tls_;  // null: no TLS
  ConnectionEnvironment connection_environment_;
  ConnectionEnvironment read_environment_;
  ShardHub::Environment hub_environment_;
  std::shared_ptr<const storage::DirectoryLock> directory_lock_;
  std::unique_ptr<ReplicationService> replication_;  // null: several storages
  storage::RocksObjectStore* rocks_store_ = nullptr;
  bool leads_at_start_ = false;
  // The register of each shard is touched by its thread only. Declared before the engines, so that
  // what they deliver to is there as long as they are.
  std::vector<Shard> shards_;
  std::vector<std::unique_ptr<StorageEngine>> engines_;
  // Reads under way hold connections: it ends before the shards do.
  boost::asio::thread_pool read_pool_;
  LongReads long_reads_{read_pool_};
  boost::asio::thread_pool blob_pool_{kBlobThreads};
  BlobSettler settler_{blob_pool_, log_};   // shard 0's
  boost::asio::thread_pool check_pool_{1};  // verify takes long: one at a time, beside the reads
  CheckSlot checks_;
  PackService packs_{clock_, log_};
  std::unique_ptr<net::Listener> native_;
  std::unique_ptr<net::Listener> zeo_;
  std::unique_ptr<net::Listener> zeo_read_;
  std::unique_ptr<net::KeptPort> kept_native_;  // for the next server of this process
  std::set<const net::Listener*> opened_;       // shard 0's
  bool shut_down_ = false;
  Error goodbye_{ErrorCode::shutting_down, "the server is stopping"};

  std::mutex mutex_;
  std::condition_variable stop_changed_;
  bool stop_requested_ = false;                                 // with mutex_
  std::optional<Error> fatal_;                                  // with mutex_
  bool role_known_ = false;                                     // primary or standby; with mutex_
  std::optional<ReplicationService::Events::Restart> restart_;  // with mutex_
};

Result<std::unique_ptr<Server>> Server::start(ServerConfig config, LogSink log) {
  auto impl = std::make_unique<Impl>(std::move(config), std::move(log));
  RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;
std::string Server::native_address() const { return impl_->native_address(); }
std::string Server::zeo_address() const { return impl_->zeo_address(); }
std::string Server::zeo_read_address() const { return impl_->zeo_read_address(); }
void Server::request_stop() { impl_->request_stop(); }
Result<Server::End> Server::wait() { return impl_->wait(); }

}  // namespace zeolite::daemon
