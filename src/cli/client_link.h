#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "net/address.h"
#include "net/framed_connection.h"
#include "net/io_shard.h"
#include "wire/messages.h"

namespace zeolite::cli {

// An address of a cluster with what it resolved to.
struct ServerAddress {
  std::string text;
  std::vector<boost::asio::ip::tcp::endpoint> endpoints;
};

// Looks all of them up. Error unavailable when one has no address; waits for the resolver.
[[nodiscard]] Result<std::vector<ServerAddress>> resolve_all(
    net::IoShard& shard, const std::vector<net::HostPort>& addresses);

// A native connection to the one of several servers that is the primary (or, when none is and that
// is enough, to the first that answers), with the handshake done. A server that is not the primary
// and says who is sends it there, also to an address that was not given; once in a pass, since what
// a server knows of the others may be out of date.
//
// Thread: the shard's. Owner: shared by its pending operations; its owner calls shut() before it
// goes away.
class ClientLink final : public net::FramedConnection::Handler,
                         public std::enable_shared_from_this<ClientLink> {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Connected; send() may be used.
    virtual void on_ready(const wire::Welcome& welcome) = 0;
    virtual void on_message(std::uint32_t request_id, wire::Message message) = 0;
    // No server could be reached (unavailable) or none answered (timeout), or the connection is
    // lost. connect() tries again.
    virtual void on_down(const Error& why) = 0;
  };

  struct Options {
    std::vector<ServerAddress> addresses;                // at least one
    Duration attempt_timeout = std::chrono::seconds(5);  // per address, handshake included
    bool primary_only = false;
    wire::Hello hello;
  };

  ClientLink(net::IoShard& shard, Options options, Owner& owner);

  // Tries each address at least once, beginning with the one that was good last. Call when down.
  void connect();

  // Only while ready.
  template <typename M>
  void send(const M& message, std::uint32_t request_id) {
    if (connection_) connection_->send(message, request_id);
  }

  // Drops a connection that is of no use (on_down is not called) so that connect() may be called.
  void drop();
  // The same for ever; the owner may go away.
  void shut();

  void on_frame(wire::Frame frame) override;
  void on_closed(const Error& why) override;

 private:
  void try_next();
  void open(std::size_t index);
  void dial(std::uint64_t attempt);
  void connected(std::uint64_t attempt, const boost::system::error_code& error);
  void attempt_failed(Error why);
  void refused(wire::ErrorReply reply);
  // Whether it goes to that address now.
  bool follow(const std::string& leader);
  void on_welcome(const wire::Welcome& welcome);
  void fail(Error why);

  net::IoShard& shard_;
  Options options_;          // one address may be added behind those given, by a hint
  const std::size_t given_;  // addresses
  Owner* owner_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<net::FramedConnection> connection_;
  std::uint64_t attempt_ = 0;  // the number of the present attempt; older completions are ignored
  std::size_t index_ = 0;      // of the address tried now, or in use
  std::size_t first_ = 0;      // where a pass begins
  std::size_t tried_ = 0;      // addresses tried in this pass
  bool followed_ = false;      // a hint, in this pass
  std::optional<std::size_t> standby_;  // answered in this pass, but is not the primary
  bool any_role_ = false;
  bool ready_ = false;
  std::optional<Error> last_error_;  // why the newest attempt of this pass failed
};

}  // namespace zeolite::cli
