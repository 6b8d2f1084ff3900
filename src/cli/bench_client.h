#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "cli/bench_run.h"
#include "cli/client_link.h"
#include "net/io_shard.h"
#include "wire/messages.h"

namespace zeolite::cli {

// One connection of the load generator: connects, comes back after every loss with a jittered
// back-off, and leaves to its kind what to send. At most one request is under way.
//
// Thread: the load generator's shard, where it is destroyed, too. Owner: LoadGenerator.
class BenchClient : private ClientLink::Owner {
 public:
  // Told to the client's owner.
  struct Events {
    std::function<void()> prepared;                // once: could begin
    std::function<void(const Error&)> impossible;  // before that: will not work
    std::function<void()> idle;                    // once after finish(): nothing is under way
  };

  BenchClient(BenchRun& run, net::IoShard& shard, ClientLink::Options link, Events events);
  ~BenchClient() override;

  void connect() { link_->connect(); }
  // The measurement has begun: sends the first request.
  void begin();
  // Finishes what is under way and begins no more.
  void finish();
  // About every second: a server that has not answered for `limit` is given up for another.
  void check(BenchClock::time_point now, Duration limit);
  // A commit was sent and what became of it is not known yet.
  [[nodiscard]] virtual bool outcome_open() const { return false; }
  [[nodiscard]] bool connected() const { return connected_; }
  // Connected, but the last request is not answered.
  [[nodiscard]] bool waiting() const { return connected_ && busy_; }

 protected:
  // Connected, for the first time or again. Ends with prepared() or proceed(), now or later.
  virtual void on_connected(const wire::Welcome& welcome) = 0;
  // Sends the next request; only called while connected with nothing under way.
  virtual void next() = 0;
  // The answer to the last request; ends with a request, proceed(), proceed_after() or reconnect().
  virtual void on_reply(wire::Message message, BenchClock::time_point now) = 0;
  virtual void on_invalidate(const wire::Invalidate& /*invalidate*/) {}
  // The connection was lost; what was under way has no answer.
  virtual void on_lost() {}

  [[nodiscard]] BenchRun& run() { return run_; }
  [[nodiscard]] BenchClock::time_point sent() const { return sent_; }

  // Sends a request whose reply comes to on_reply, and notes the time.
  template <typename M>
  void request(const M& message) {
    sent_ = BenchClock::now();
    busy_ = true;
    asked_ = true;
    link_->send(message, ++request_id_);
  }
  // Could begin. The first time the owner is told; after that it is proceed().
  void prepared();
  // Nothing is under way: goes on with the next request, or is done.
  void proceed();
  void proceed_after(Duration pause);
  // Leaves this server and looks for the primary again.
  void reconnect(const Error& why);
  // Before prepared(): this cannot work.
  void give_up(const Error& why) { events_.impossible(why); }

 private:
  void on_ready(const wire::Welcome& welcome) override;
  void on_message(std::uint32_t request_id, wire::Message message) override;
  void on_down(const Error& why) override;
  void lost(const Error& why);
  void wait(Duration pause, std::function<void()> then);
  void report_idle();

  BenchRun& run_;
  net::IoShard& shard_;
  Events events_;
  std::shared_ptr<ClientLink> link_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // late timers see that we are gone
  BenchClock::time_point sent_{};
  std::uint32_t request_id_ = 1;  // the handshake had that one
  int failures_ = 0;              // attempts to connect, in a row
  bool connected_ = false;
  bool busy_ = false;   // a request is under way, or a pause
  bool asked_ = false;  // busy_ with a request
  bool prepared_ = false;
  bool begun_ = false;
  bool finishing_ = false;
  bool idle_reported_ = false;
};

}  // namespace zeolite::cli
