#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "net/address.h"
#include "net/framed_connection.h"
#include "net/io_shard.h"
#include "wire/messages.h"

namespace zeolite::client_core {

// Connects to one address, greets, takes the first answer, and hangs up.
// Thread: its shard's. Owner: whoever started it, and its operations under way.
class ProbeConnection final : private net::FramedConnection::Handler,
                              public std::enable_shared_from_this<ProbeConnection> {
 public:
  // Called once, unless it is stopped before. Error: there is no answer.
  using Done = std::function<void(Result<wire::Message> answer)>;

  ProbeConnection(net::IoShard& shard, wire::Hello hello, Done done);

  void start(const net::HostPort& address);
  void stop();

 private:
  void connect_to(const boost::asio::ip::tcp::resolver::results_type& endpoints);
  void greet(boost::asio::ip::tcp::socket socket);
  void finish(Result<wire::Message> answer);
  void on_frame(wire::Frame frame) override;
  void on_closed(const Error& why) override;

  net::IoShard& shard_;
  wire::Hello hello_;
  Done done_;  // empty: it has ended
  std::optional<boost::asio::ip::tcp::resolver> resolver_;
  std::shared_ptr<boost::asio::ip::tcp::socket> socket_;  // while it connects
  std::shared_ptr<net::FramedConnection> connection_;
};

}  // namespace zeolite::client_core
