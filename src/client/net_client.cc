#include "client/net_client.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <limits>
#include <utility>

#include "base/check.h"
#include "wire/codec.h"

namespace zeolite::client_core {

namespace {

using boost::asio::ip::tcp;

// The session's timer fires at least this often: the connection's progress is looked at then.
constexpr Duration kTickMax = std::chrono::seconds(1);

std::chrono::steady_clock::duration timer_duration(Duration duration) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::max(duration, Duration(0)));
}

SessionId random_session() {
  std::random_device source;
  SessionId session;
  for (std::uint8_t& byte : session) byte = static_cast<std::uint8_t>(source() & 0xFF);
  return session;
}

void check_options(const client::Options& options) {
  const auto require = [](bool holds, const char* what) {
    if (!holds) throw client::InvalidArgumentError(what);
  };
  require(!options.addresses.empty(), "the client needs at least one address");
  require(options.connect_timeout.count() > 0, "connect_timeout must be above zero");
  require(options.call_timeout.count() > 0, "call_timeout must be above zero");
  require(options.backoff_min.count() > 0, "backoff_min must be above zero");
  require(options.heartbeat.count() > 0, "heartbeat must be above zero");
  require(options.cache_save_interval.count() > 0, "cache_save_interval must be above zero");
  require(options.max_staleness.count() >= 0, "max_staleness must not be below zero");
}

}  // namespace

std::shared_ptr<NetClient> NetClient::start(client::Options options) {
  check_options(options);
  std::vector<net::HostPort> addresses;
  for (const std::string& text : options.addresses) {
    Result<std::vector<net::HostPort>> parsed = net::parse_host_ports(text);
    if (!parsed) throw client::InvalidArgumentError(parsed.error().detail);
    addresses.insert(addresses.end(), parsed->begin(), parsed->end());
  }
  return std::shared_ptr<NetClient>(new NetClient(std::move(options), std::move(addresses)));
}

NetClient::NetClient(client::Options options, std::vector<net::HostPort> addresses)
    : ClientCore(options.cache_bytes, options.call_timeout),
      options_(std::move(options)),
      locator_(std::move(addresses), options_.backoff_min, options_.backoff_max),
      probe_(options_.storage, options_.label, ClientSession::patience(options_.heartbeat)) {
  open_cache_file();
  session_.emplace(session_options(options_), cache(), view(), counters());
  shard_ = std::make_unique<net::IoShard>("zeolite-client");
  io_ = std::make_unique<Io>(shard_->context());
  shard_->post([this] {
    shard_thread_ = std::this_thread::get_id();
    attempt();
  });
  if (cache_file_) saver_ = std::thread([this] { run_saver(); });
}

ClientSession::Options NetClient::session_options(const client::Options& options) {
  constexpr std::int64_t kStalenessMax = std::numeric_limits<std::uint32_t>::max();
  ClientSession::Options result;
  result.storage = options.storage;
  result.label = options.label;
  result.session = random_session();
  result.heartbeat = options.heartbeat;
  result.reads_standby = options.read_preference == client::ReadPreference::standby;
  result.max_staleness_ms = static_cast<std::uint32_t>(
      std::min<std::int64_t>(options.max_staleness.count(), kStalenessMax));
  return result;
}

NetClient::~NetClient() { close(); }

void NetClient::log(client::LogLevel level, const std::string& text) const {
  if (options_.log) options_.log(level, text);
}

// ---- cache file --------------------------------------------------------------------------------

void NetClient::open_cache_file() {
  if (options_.cache_file.empty() || options_.cache_bytes == 0) return;
  Result<CacheFile> opened = CacheFile::open(options_.cache_file, options_.storage);
  if (!opened) {
    log(client::LogLevel::warning, "the cache is not kept on disk: " + opened.error().detail);
    return;
  }
  cache_file_.emplace(std::move(*opened));
  const Result<std::optional<ConnectionView::Place>> place = cache_file_->load(cache());
  if (!place) {
    log(client::LogLevel::warning, "starting with an empty cache: " + place.error().detail);
  } else if (*place) {
    view().set_initial((*place)->position, (*place)->cluster_id);
    counters().started_warm = true;
    log(client::LogLevel::info, "starting with " + std::to_string(cache().counters().revisions) +
                                    " revisions from cache file " + options_.cache_file);
  }
}

void NetClient::save_cache() {
  if (const Result<> saved = cache_file_->save(cache(), view()); !saved) {
    log(client::LogLevel::warning, "the cache was not saved: " + saved.error().detail);
  }
}

void NetClient::run_saver() {
  std::unique_lock lock(saver_mutex_);
  while (
      !saver_wake_.wait_for(lock, options_.cache_save_interval, [this] { return saver_stop_; })) {
    lock.unlock();
    save_cache();
    lock.lock();
  }
}

// ---- connecting --------------------------------------------------------------------------------

void NetClient::attempt() {
  const std::uint64_t mine = ++attempt_;
  limit_attempt(0);
  io_->resolver.async_resolve(
      address().host, std::to_string(address().port),
      [this, mine](const boost::system::error_code& error, const auto& endpoints) {
        if (mine != attempt_) return;
        if (error) {
          attempt_failed(Error{ErrorCode::unavailable,
                               "host '" + address().host + "' has no address: " + error.message()},
                         {});
        } else {
          connect_to(endpoints);
        }
      });
}

void NetClient::limit_attempt(std::uint64_t received) {
  io_->connecting.expires_after(timer_duration(options_.connect_timeout));
  io_->connecting.async_wait(
      [this, received, mine = attempt_](const boost::system::error_code& cancelled) {
        if (cancelled || mine != attempt_ || session_->ready()) return;
        const Error why{ErrorCode::timeout, address().to_string() + " did not answer in time"};
        if (!connection_) {
          attempt_failed(why, {});
        } else if (const std::uint64_t now_received = connection_->received_bytes();
                   now_received != received) {
          limit_attempt(now_received);
        } else {
          connection_->close(why);
        }
      });
}

void NetClient::connect_to(const tcp::resolver::results_type& endpoints) {
  auto socket = std::make_shared<tcp::socket>(shard_->context());
  boost::asio::async_connect(
      *socket, endpoints,
      [this, mine = attempt_, socket](const boost::system::error_code& error,
                                      const tcp::endpoint& /*connected*/) {
        if (mine != attempt_) return;
        if (error) {
          attempt_failed(
              Error{ErrorCode::unavailable, address().to_string() + ": " + error.message()}, {});
        } else {
          on_socket(std::move(*socket));
        }
      });
}

void NetClient::on_socket(tcp::socket socket) {
  net::FramedConnection::Limits limits{.body_max = wire::kBodyMaxOfServer};
  limits.outbound_max = SIZE_MAX;  // bounded by what our own callers wait for
  connection_ = std::make_shared<net::FramedConnection>(
      *shard_, std::move(socket), static_cast<net::FramedConnection::Handler&>(*this), limits);
  seen_bytes_ = 0;
  connection_->start();
  if (!connection_) return;  // closed already
  session_->connected(now(), effects_);
  carry_out();
}

void NetClient::attempt_failed(const Error& why, const std::string& leader) {
  ++attempt_;
  session_->disconnected(why, effects_);
  const std::string told = leader.empty() ? why.detail : why.detail + "; the primary is " + leader;
  if (told_failure_ != told) {
    told_failure_ = told;
    log(leader.empty() ? client::LogLevel::warning : client::LogLevel::info,
        "not connected: " + told);
  }
  carry_out();
  const Duration pause =
      leader.empty() ? locator_.failed(random()) : locator_.redirected(leader, now(), random());
  // A round over all addresses has ended: none is a standby that can be read from.
  if (pause > Duration(0)) session_->accept_primary(true);
  try_again_after(pause);
}

void NetClient::try_again_after(Duration pause) {
  io_->connecting.cancel();
  io_->pause.expires_after(timer_duration(pause));
  io_->pause.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled || !io_) return;
    attempt();
  });
}

// ---- the connection ----------------------------------------------------------------------------

void NetClient::on_frame(wire::Frame frame) {
  seen_bytes_ = connection_->received_bytes();
  Result<wire::Message> message = wire::decode(frame);
  if (!message) {
    connection_->close(std::move(message).error());
    return;
  }
  session_->received(frame.request_id, *std::move(message), now(), effects_);
  carry_out();
}

void NetClient::on_closed(const Error& why) {
  const bool was_ready = session_->ready();
  const Error told{why.code, address().to_string() + ": " + why.detail};
  // The connection is still on the stack; its pending operations keep it alive.
  connection_.reset();
  const std::string leader = std::exchange(leader_, {});
  const bool elsewhere = std::exchange(elsewhere_, false);
  if (!was_ready || !leader.empty()) {
    attempt_failed(told, leader);
    return;
  }
  ++attempt_;
  session_->disconnected(told, effects_);
  log(client::LogLevel::warning, "connection lost: " + told.detail);
  carry_out();
  if (elsewhere) session_->accept_primary(true);
  try_again_after(elsewhere ? locator_.left(now(), random()) : locator_.lost(now(), random()));
}

void NetClient::carry_out() {
  // Closing and `done` may lead back here; each round has effects of its own.
  SessionEffects effects = std::exchange(effects_, SessionEffects{});
  if (connection_) {
    for (const SessionEffects::Send& send : effects.send) {
      std::visit([&](const auto& message) { connection_->send(message, send.request_id); },
                 send.message);
    }
  }
  for (const SessionEffects::Line& line : effects.log) {
    log(line.warning ? client::LogLevel::warning : client::LogLevel::info, line.text);
  }
  if (effects.ready) {
    io_->connecting.cancel();
    told_failure_.clear();
    locator_.established(now());
    session_->accept_primary(false);
  }
  if (effects.topology) learn(*effects.topology);
  if (effects.close && connection_) {
    leader_ = std::move(effects.leader);
    elsewhere_ = effects.elsewhere;
    const std::shared_ptr<net::FramedConnection> closing = connection_;
    closing->close(*effects.close);
  }
  for (SessionEffects::Finished& finished : effects.finished) {
    finished.done(std::move(finished.answer));
  }
  look_for_primary();
  arm_timer();
}

void NetClient::look_for_primary() {
  if (!io_) return;
  if (!connection_ || !session_->suspects_server()) {
    if (probing_) std::exchange(probing_, nullptr)->stop();
    probe_.end();
    return;
  }
  if (!probe_.running()) {
    log(client::LogLevel::warning,
        address().to_string() + " does not answer; is there another primary?");
    probe_.begin(address(), locator_.others(), view().epoch(), view().place().cluster_id, now());
  }
  if (probe_.overdue(now())) {
    std::exchange(probing_, nullptr)->stop();
    probe_.failed(now());
  }
  if (const std::optional<net::HostPort> there = probe_.dial(now())) {
    probing_ = std::make_shared<ProbeConnection>(
        *shard_, probe_.hello(),
        [this](const Result<wire::Message>& answer) { on_probed(answer); });
    probing_->start(*there);
  }
}

void NetClient::on_probed(const Result<wire::Message>& answer) {
  probing_.reset();
  if (!answer) {
    probe_.failed(now());
  } else if (const auto found = probe_.answered(*answer, now())) {
    session_->found_primary(found->epoch, found->address.to_string(), effects_);
  }
  carry_out();
}

// In the order in which they are to be tried.
void NetClient::learn(const wire::Topology& topology) {
  std::vector<std::string> nodes = topology.standbys;
  const bool standby_first = options_.read_preference == client::ReadPreference::standby;
  nodes.insert(standby_first ? nodes.end() : nodes.begin(), topology.primary);
  locator_.learn(nodes);
}

void NetClient::arm_timer() {
  if (!io_) return;
  const Instant present = now();
  Instant next = present + kTickMax;
  if (const std::optional<Instant> deadline = session_->next_deadline()) {
    next = std::min(next, *deadline);
  } else if (!connection_) {
    return;
  }
  if (const std::optional<Instant> probing = probe_.next_deadline()) {
    next = std::min(next, *probing);
  }
  if (timer_at_ <= next) return;
  timer_at_ = next;
  io_->session.expires_after(timer_duration(next - present));
  io_->session.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) on_tick();
  });
}

void NetClient::on_tick() {
  timer_at_ = Instant{Duration::max()};
  const Instant present = now();
  if (connection_) {
    // A request that is still leaving is a sign of life, and so is a part of an answer; one that is
    // stuck is noticed by the check.
    const std::uint64_t received = connection_->received_bytes();
    const bool heard = std::exchange(seen_bytes_, received) != received;
    if (heard || connection_->outbound() > 0) session_->alive(present);
    const std::shared_ptr<net::FramedConnection> checked = connection_;
    checked->check_progress(present);
  }
  session_->tick(present, effects_);
  carry_out();
}

// ---- calls -------------------------------------------------------------------------------------

void NetClient::submit(Request request) {
  {
    const std::lock_guard lock(life_mutex_);
    if (!closed_) {
      shard_->post([this, request = std::move(request)]() mutable {
        session_->submit(std::move(request), effects_);
        carry_out();
      });
      return;
    }
  }
  if (!request.done) return;
  Answer answer;
  answer.error = Error{ErrorCode::shutting_down, "the client is closed"};
  request.done(std::move(answer));
}

bool NetClient::on_own_thread() const { return shard_thread_ == std::this_thread::get_id(); }

void NetClient::shut_down() {
  ++attempt_;
  if (connection_) std::exchange(connection_, nullptr)->detach();
  if (probing_) std::exchange(probing_, nullptr)->stop();
  session_->shut_down(effects_);
  io_.reset();
  carry_out();
}

void NetClient::close() noexcept {
  {
    const std::lock_guard lock(life_mutex_);
    if (closed_) return;
    closed_ = true;
  }
  CHECK(!on_own_thread(), "a client cannot be closed on its own thread");
  view().shut_down();
  shard_->run([this] { shut_down(); });
  shard_->stop();
  shard_->join();
  if (!saver_.joinable()) return;
  {
    const std::lock_guard lock(saver_mutex_);
    saver_stop_ = true;
  }
  saver_wake_.notify_one();
  saver_.join();
  save_cache();
}

}  // namespace zeolite::client_core
