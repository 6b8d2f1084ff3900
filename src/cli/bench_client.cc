#include "cli/bench_client.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace zeolite::cli {

namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(20);
// Short, for a takeover's gap is to be measured, not the pause.
constexpr Duration kLongestPause = std::chrono::milliseconds(250);

}  // namespace

BenchClient::BenchClient(BenchRun& run, net::IoShard& shard, ClientLink::Options link,
                         Events events)
    : run_(run),
      shard_(shard),
      events_(std::move(events)),
      link_(std::make_shared<ClientLink>(shard, std::move(link),
                                         static_cast<ClientLink::Owner&>(*this))),
      timer_(shard.context()) {}

BenchClient::~BenchClient() { link_->shut(); }

void BenchClient::begin() {
  begun_ = true;
  if (connected_ && !busy_) proceed();
}

void BenchClient::finish() {
  finishing_ = true;
  if (!busy_ && !outcome_open()) report_idle();
}

void BenchClient::report_idle() {
  if (std::exchange(idle_reported_, true)) return;
  events_.idle();
}

void BenchClient::prepared() {
  busy_ = false;
  if (!std::exchange(prepared_, true)) {
    events_.prepared();
  } else {
    proceed();
  }
}

void BenchClient::proceed() {
  busy_ = false;
  if (finishing_ && !outcome_open()) {
    report_idle();
  } else if (begun_ && connected_) {
    next();
  }
}

void BenchClient::proceed_after(Duration pause) {
  busy_ = true;
  wait(pause, [this] { proceed(); });
}

void BenchClient::wait(Duration pause, std::function<void()> then) {
  timer_.expires_after(pause);
  timer_.async_wait([this, alive = std::weak_ptr<int>(alive_),
                     then = std::move(then)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    then();
  });
}

void BenchClient::on_ready(const wire::Welcome& welcome) {
  connected_ = true;
  failures_ = 0;
  on_connected(welcome);
}

void BenchClient::on_message(std::uint32_t request_id, wire::Message message) {
  if (const auto* invalidate = std::get_if<wire::Invalidate>(&message)) {
    on_invalidate(*invalidate);
  } else if (request_id == request_id_ && busy_) {
    asked_ = false;
    on_reply(std::move(message), BenchClock::now());
  }
}

void BenchClient::reconnect(const Error& why) {
  link_->drop();
  lost(why);
}

void BenchClient::check(BenchClock::time_point now, Duration limit) {
  if (!connected_ || !asked_ || now - sent_ < limit) return;
  reconnect(Error{ErrorCode::timeout, "the server did not answer in time"});
}

void BenchClient::on_down(const Error& why) { lost(why); }

void BenchClient::lost(const Error& why) {
  if (!prepared_) {
    give_up(why);
    return;
  }
  if (std::exchange(connected_, false)) {
    run_.count_reconnect(why);
    on_lost();
  }
  busy_ = false;
  asked_ = false;
  if (finishing_ && !outcome_open()) {
    report_idle();
    return;
  }
  // Doubled each time, and spread over half to all of it, so that clients do not come in step.
  const Duration longest = std::min(kLongestPause, kFirstPause * (1 << std::min(failures_++, 6)));
  const Duration pause = longest / 2 + Duration(static_cast<std::int64_t>(run_.random()() >> 1U) %
                                                (longest.count() / 2));
  wait(pause, [this] { link_->connect(); });
}

}  // namespace zeolite::cli
