#include "client/probe_connection.h"

#include <boost/asio/connect.hpp>
#include <string>
#include <utility>

#include "wire/codec.h"

namespace zeolite::client_core {

using boost::asio::ip::tcp;

ProbeConnection::ProbeConnection(net::IoShard& shard, wire::Hello hello, Done done)
    : shard_(shard), hello_(std::move(hello)), done_(std::move(done)) {}

void ProbeConnection::start(const net::HostPort& address) {
  resolver_.emplace(shard_.context());
  resolver_->async_resolve(address.host, std::to_string(address.port),
                           [this, self = shared_from_this()](const boost::system::error_code& error,
                                                             const auto& endpoints) {
                             if (!done_) return;
                             if (error) {
                               finish(make_error(ErrorCode::unavailable, error.message()));
                             } else {
                               connect_to(endpoints);
                             }
                           });
}

void ProbeConnection::connect_to(const tcp::resolver::results_type& endpoints) {
  socket_ = std::make_shared<tcp::socket>(shard_.context());
  boost::asio::async_connect(
      *socket_, endpoints,
      [this, self = shared_from_this(), socket = socket_](const boost::system::error_code& error,
                                                          const tcp::endpoint& /*connected*/) {
        if (!done_) return;
        if (error) {
          finish(make_error(ErrorCode::unavailable, error.message()));
        } else {
          greet(std::move(*socket));
        }
      });
}

void ProbeConnection::greet(tcp::socket socket) {
  connection_ = std::make_shared<net::FramedConnection>(
      shard_, std::move(socket), static_cast<net::FramedConnection::Handler&>(*this),
      net::FramedConnection::Limits{});
  connection_->start();
  if (connection_) connection_->send(hello_, 0);
}

void ProbeConnection::on_frame(wire::Frame frame) { finish(wire::decode(frame)); }

void ProbeConnection::on_closed(const Error& why) { finish(std::unexpected(why)); }

void ProbeConnection::finish(Result<wire::Message> answer) {
  if (!done_) return;
  const auto self = shared_from_this();
  const Done done = std::move(done_);
  stop();
  done(std::move(answer));
}

void ProbeConnection::stop() {
  done_ = nullptr;
  resolver_.reset();
  if (socket_) {
    boost::system::error_code ignored;
    socket_->close(ignored);
  }
  socket_.reset();
  // It may be on the stack; its pending operations keep it alive.
  if (connection_) std::exchange(connection_, nullptr)->detach();
}

}  // namespace zeolite::client_core
