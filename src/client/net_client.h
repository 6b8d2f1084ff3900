#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/time.h"
#include "client/cache_file.h"
#include "client/client_core.h"
#include "client/client_session.h"
#include "client/primary_locator.h"
#include "client/primary_probe.h"
#include "client/probe_connection.h"
#include "net/address.h"
#include "net/framed_connection.h"
#include "net/io_shard.h"
#include "zeolite/client.h"

namespace zeolite::client_core {

// A ClientCore over TCP: one I/O shard with at most one connection, which it makes again for ever.
// Thin: carries out what PrimaryLocator and ClientSession decide.
//
// Threads: the shard's owns the session, the connection and the timers; a second one saves the
// cache file, when there is one. Public functions: any thread.
class NetClient final : public ClientCore, private net::FramedConnection::Handler {
 public:
  // Starts connecting. Throws client::InvalidArgumentError.
  [[nodiscard]] static std::shared_ptr<NetClient> start(client::Options options);
  ~NetClient() override;

  void submit(Request request) override;
  [[nodiscard]] bool on_own_thread() const override;
  [[nodiscard]] Instant now() const override { return clock_.now().instant; }
  void close() noexcept override;

 private:
  // What lives on the shard and goes with it.
  struct Io {
    explicit Io(boost::asio::io_context& context)
        : resolver(context), pause(context), connecting(context), session(context) {}
    boost::asio::ip::tcp::resolver resolver;
    boost::asio::steady_timer pause;       // until the next attempt
    boost::asio::steady_timer connecting;  // limits an attempt, with its handshake
    boost::asio::steady_timer session;     // the session's next deadline
  };

  NetClient(client::Options options, std::vector<net::HostPort> addresses);
  static ClientSession::Options session_options(const client::Options& options);

  void open_cache_file();
  void save_cache();
  void run_saver();

  // On the shard's thread.
  void attempt();
  // The attempt fails unless more than `received` bytes come in time, or the welcome: a cache that
  // is far behind is told of much before that.
  void limit_attempt(std::uint64_t received);
  void connect_to(const boost::asio::ip::tcp::resolver::results_type& endpoints);
  void on_socket(boost::asio::ip::tcp::socket socket);
  // Goes on with the next address: with `leader`, if it is not empty, which the server named.
  void attempt_failed(const Error& why, const std::string& leader);
  void try_again_after(Duration pause);
  void on_frame(wire::Frame frame) override;
  void on_closed(const Error& why) override;
  void on_tick();
  void carry_out();
  void learn(const wire::Topology& topology);
  // Another primary, while the server is silent.
  void look_for_primary();
  void on_probed(const Result<wire::Message>& answer);
  void arm_timer();
  void shut_down();

  [[nodiscard]] const net::HostPort& address() const { return locator_.current(); }
  [[nodiscard]] double random() { return std::uniform_real_distribution<double>()(random_); }
  void log(client::LogLevel level, const std::string& text) const;

  client::Options options_;
  SystemClock clock_;
  std::mt19937_64 random_{std::random_device{}()};
  std::optional<CacheFile> cache_file_;

  // Of the shard's thread.
  std::optional<ClientSession> session_;
  PrimaryLocator locator_;
  SessionEffects effects_;
  std::shared_ptr<net::FramedConnection> connection_;
  std::uint64_t seen_bytes_ = 0;  // of connection_, as of its last frame or tick
  std::uint64_t attempt_ = 0;     // tells the completions of an attempt that was given up
  std::string leader_;            // as the server told whose connection is being closed
  bool elsewhere_ = false;        // that connection is left for another server
  PrimaryProbe probe_;
  std::shared_ptr<ProbeConnection> probing_;  // what the probe has under way
  std::string told_failure_;  // last one logged, so that retries do not fill the log
  Instant timer_at_{Duration::max()};
  std::unique_ptr<Io> io_;

  std::mutex life_mutex_;  // of closed_: nothing is posted to the shard after it is set
  bool closed_ = false;
  std::unique_ptr<net::IoShard> shard_;
  std::atomic<std::thread::id> shard_thread_;  // set by the shard's first turn

  std::mutex saver_mutex_;
  std::condition_variable saver_wake_;
  bool saver_stop_ = false;
  std::thread saver_;
};

}  // namespace zeolite::client_core
