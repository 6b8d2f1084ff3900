#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/client_core.h"
#include "client/client_session.h"
#include "client/fake_server.h"

namespace zeolite::client_core::testing {

// A session and the server it talks to, on one thread. With `deliver` every reply arrives at once;
// without, the test decides when each does. Time stands still until the test moves it.
class FakeClient final : public ClientCore {
 public:
  explicit FakeClient(std::size_t cache_bytes = 1 << 20, bool reads_standby = false)
      : ClientCore(cache_bytes, std::chrono::seconds(10)),
        session({.storage = "main",
                 .label = "test",
                 .session = SessionId{9},
                 .heartbeat = std::chrono::seconds(5),
                 .reads_standby = reads_standby,
                 .max_staleness_ms = reads_standby ? 700U : 0U},
                cache(), view(), counters()) {}

  void submit(Request request) override {
    session.submit(std::move(request), effects_);
    carry_out();
    submitted.fetch_add(1);
  }
  [[nodiscard]] bool on_own_thread() const override { return own_thread; }
  [[nodiscard]] Instant now() const override { return time; }
  void close() noexcept override {
    view().shut_down();
    session.shut_down(effects_);
    carry_out();
  }

  void connect() {
    server.connect();
    linked_ = true;
    session.connected(time, effects_);
    carry_out();
  }
  void disconnect() {
    linked_ = false;
    server.connect();
    session.disconnected(Error{ErrorCode::unavailable, "cut"}, effects_);
    carry_out();
  }
  void reconnect() {
    disconnect();
    connect();
  }
  // The next queued frame arrives.
  void deliver_one() {
    FakeServer::Outgoing next = std::move(server.outgoing.front());
    server.outgoing.pop_front();
    receive(next.request_id, std::move(next.message));
  }
  void deliver_all() {
    while (linked_ && !server.outgoing.empty()) deliver_one();
  }
  void receive(std::uint32_t id, wire::Message message) {
    session.received(id, std::move(message), time, effects_);
    carry_out();
  }
  void pass(Duration duration) {
    time = time + duration;
    session.tick(time, effects_);
    carry_out();
  }

  void find_primary(Epoch epoch, const std::string& address) {
    session.found_primary(epoch, address, effects_);
    carry_out();
  }

  FakeServer server;
  ClientSession session;
  Instant time{std::chrono::hours(1)};
  bool deliver = true;
  std::atomic<bool> own_thread = false;
  std::atomic<int> submitted = 0;          // requests, so far
  std::optional<Error> closed;             // why the session last closed a connection
  std::string leader;                      // that it named then
  bool elsewhere = false;                  // another server was to come first then
  std::optional<wire::Topology> topology;  // as it was last told
  std::vector<FakeServer::Outgoing> sent;  // by the session

 private:
  void carry_out() {
    SessionEffects effects = std::exchange(effects_, SessionEffects{});
    for (SessionEffects::Send& send : effects.send) {
      sent.push_back({send.request_id, send.message});
      if (linked_) server.receive(send.request_id, send.message);
    }
    if (effects.topology) topology = effects.topology;
    if (effects.close) {
      closed = effects.close;
      leader = effects.leader;
      elsewhere = effects.elsewhere;
      linked_ = false;
      session.disconnected(*effects.close, effects_);
    }
    for (SessionEffects::Finished& finished : effects.finished) {
      finished.done(std::move(finished.answer));
    }
    if (!effects_.finished.empty() || !effects_.send.empty()) carry_out();
    if (deliver && !delivering_) {
      delivering_ = true;
      deliver_all();
      delivering_ = false;
    }
  }

  SessionEffects effects_;
  bool linked_ = false;
  bool delivering_ = false;
};

}  // namespace zeolite::client_core::testing
