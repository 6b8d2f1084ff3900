#include "cli/load_generator.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cmath>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "cli/bench_invalidate.h"
#include "cli/bench_worker.h"
#include "cli/native_session.h"

namespace zeolite::cli {

namespace {

constexpr Duration kPrepareTimeout = std::chrono::seconds(30);
constexpr Duration kFinishTimeout = std::chrono::seconds(10);
// Of several servers: one that answers nothing for so long is left for another.
constexpr Duration kAnswerTimeout = std::chrono::seconds(5);
constexpr Duration kCheckInterval = std::chrono::milliseconds(500);
constexpr std::uint32_t kOidsPerRequest = 10'000;
constexpr std::size_t kPrepareTransactionBytes = 4U << 20;

// The clients of one run on their shard, from connecting to the end.
// Thread: everything on the shard but the constructor, the destructor and wait().
class LoadGenerator {
 public:
  LoadGenerator(const BenchOptions& options, std::uint64_t seed) : run_(options, seed) {}

  ~LoadGenerator() {
    shard_.run([this] {
      timer_.cancel();
      check_timer_.cancel();
      clients_.clear();
    });
  }

  // Objects that loads pick from: existing ones, and new ones when there are too few.
  Result<> prepare_objects() {
    const BenchOptions& options = run_.options();
    if (options.kind != BenchKind::load && options.kind != BenchKind::mixed) return {};
    ASSIGN_OR_RETURN(const std::unique_ptr<NativeSession> session,
                     NativeSession::open(options.target, {.primary_only = true}));
    Oid from;
    while (objects_.size() < options.objects) {
      ASSIGN_OR_RETURN(const wire::Walked walked,
                       session->ask<wire::Walked>(wire::Walk{from, kOidsPerRequest}));
      for (const wire::Walked::Item& item : walked.items) {
        if (objects_.size() < options.objects) objects_.push_back(item.oid);
      }
      if (walked.next.is_zero()) break;
      from = walked.next;
    }
    return create_missing(*session);
  }

  Result<BenchReport> measure() {
    ASSIGN_OR_RETURN(addresses_, resolve_all(shard_, run_.options().target.at));
    std::future<Result<>> finished = finished_.get_future();
    shard_.post([this] { start(); });
    RETURN_IF_ERROR(finished.get());
    return run_.report;
  }

 private:
  Result<> create_missing(NativeSession& session) {
    const BenchOptions& options = run_.options();
    const std::size_t per_commit =
        std::clamp<std::size_t>(kPrepareTransactionBytes / options.size, 1, 1000);
    std::uint64_t number = 0;
    while (objects_.size() < options.objects) {
      const std::size_t missing = options.objects - objects_.size();
      ASSIGN_OR_RETURN(const wire::Oids oids,
                       session.ask<wire::Oids>(wire::NewOids{
                           static_cast<std::uint32_t>(std::min(missing, per_commit))}));
      wire::Commit commit;
      commit.number = ++number;
      commit.begun = session.welcome().visible.tid;
      commit.metadata.description = "zeolite bench: objects to load";
      for (std::uint32_t i = 0; i < oids.count; ++i) {
        const Oid oid(oids.first.value() + i);
        objects_.push_back(oid);
        commit.writes.push_back({.oid = oid, .base = kNoTid, .data = run_.payload()});
      }
      RETURN_IF_ERROR(session.ask<wire::Committed>(commit));
    }
    return {};
  }

  ClientLink::Options link_options(bool wants_invalidations) {
    const Target& target = run_.options().target;
    ClientLink::Options link{.addresses = addresses_, .primary_only = true, .hello = {}};
    if (target.timeout) link.attempt_timeout = *target.timeout;
    link.hello.storage = target.storage;
    link.hello.label = "zeolite bench";
    link.hello.wants_invalidations = wants_invalidations;
    for (std::uint8_t& byte : link.hello.session) byte = static_cast<std::uint8_t>(entropy_());
    return link;
  }

  void start() {
    const BenchOptions& options = run_.options();
    const BenchClient::Events events{
        .prepared = [this] { client_prepared(); },
        .impossible = [this](const Error& why) { end(std::unexpected(why)); },
        .idle = [this] { client_idle(); }};
    if (options.kind == BenchKind::invalidate) {
      tracker_.emplace(run_, options.clients);
      for (std::size_t i = 0; i < options.clients; ++i) {
        clients_.push_back(std::make_unique<BenchSubscriber>(run_, shard_, link_options(true),
                                                             events, *tracker_, i));
      }
      clients_.push_back(
          std::make_unique<BenchWriter>(run_, shard_, link_options(false), events, *tracker_));
    } else {
      const std::uint32_t own =
          std::clamp(options.objects / options.clients, std::uint32_t{1}, kOidsPerRequest);
      for (std::size_t i = 0; i < options.clients; ++i) {
        clients_.push_back(std::make_unique<BenchWorker>(run_, shard_, link_options(false), events,
                                                         objects_, own));
      }
    }
    for (const auto& client : clients_) client->connect();
    after(kPrepareTimeout, [this] {
      end(make_error(ErrorCode::timeout, "the server did not get all clients ready in time"));
    });
  }

  void client_prepared() {
    if (++prepared_ < clients_.size()) return;
    after(std::chrono::nanoseconds(std::llround(run_.options().seconds * 1e9)),
          [this] { finish(); });
    run_.begin(BenchClock::now());
    for (const auto& client : clients_) client->begin();
    // With one address there is nobody else to ask, and patience costs nothing.
    if (addresses_.size() > 1 && run_.options().kind != BenchKind::invalidate) check();
  }

  void check() {
    const BenchClock::time_point now = BenchClock::now();
    const Duration limit = run_.options().target.timeout.value_or(kAnswerTimeout);
    for (const auto& client : clients_) client->check(now, limit);
    check_timer_.expires_after(std::min(kCheckInterval, limit));
    check_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error || ended_) return;
      check();
    });
  }

  void finish() {
    run_.end(BenchClock::now());
    after(run_.options().target.timeout.value_or(kFinishTimeout), [this] { end({}); });
    for (const auto& client : clients_) client->finish();
  }

  void client_idle() {
    if (++idle_ == clients_.size()) end({});
  }

  // The run is over; later calls do nothing.
  void end(Result<> result) {
    if (std::exchange(ended_, true)) return;
    timer_.cancel();
    for (const auto& client : clients_) {
      if (client->outcome_open()) ++run_.report.unknown;
    }
    note_silence();
    finished_.set_value(std::move(result));
  }

  // How the server was in the end.
  void note_silence() {
    BenchReport& report = run_.report;
    if (std::ranges::none_of(clients_, &BenchClient::connected)) {
      report.silence = Error{ErrorCode::unavailable,
                             "the server was lost and did not come back; " + report.last_error};
      return;
    }
    const auto waiting = std::ranges::count_if(clients_, &BenchClient::waiting);
    if (waiting == 0) return;
    report.silence =
        Error{ErrorCode::timeout, "the server was reached, but did not answer the last " +
                                      std::to_string(waiting) + " requests in time"};
  }

  void after(Duration pause, std::function<void()> then) {
    timer_.expires_after(pause);
    timer_.async_wait([this, then = std::move(then)](const boost::system::error_code& error) {
      if (error || ended_) return;
      then();
    });
  }

  BenchRun run_;
  std::random_device entropy_;
  std::vector<ServerAddress> addresses_;
  std::vector<Oid> objects_;
  std::optional<ToldTracker> tracker_;
  std::size_t prepared_ = 0;
  std::size_t idle_ = 0;
  bool ended_ = false;
  std::promise<Result<>> finished_;
  net::IoShard shard_{"bench"};
  boost::asio::steady_timer timer_{shard_.context()};
  boost::asio::steady_timer check_timer_{shard_.context()};
  std::vector<std::unique_ptr<BenchClient>> clients_;
};

}  // namespace

Result<BenchReport> run_bench(const BenchOptions& options) {
  std::random_device entropy;
  const std::uint64_t seed = (std::uint64_t{entropy()} << 32U) | entropy();
  LoadGenerator generator(options, seed);
  RETURN_IF_ERROR(generator.prepare_objects());
  return generator.measure();
}

}  // namespace zeolite::cli
