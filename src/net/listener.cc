#include "net/listener.h"

#include <chrono>
#include <utility>

namespace zeolite::net {

namespace {

using boost::asio::ip::tcp;

std::unexpected<Error> listen_error(const HostPort& address,
                                    const boost::system::error_code& error) {
  if (error == boost::asio::error::address_in_use) {
    return make_error(ErrorCode::busy, "cannot listen on " + address.to_string() +
                                           ": the port is in use by another program; stop it or "
                                           "choose another port");
  }
  return make_error(ErrorCode::io_error,
                    "cannot listen on " + address.to_string() + ": " + error.message());
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::listen(IoShard& shard, const HostPort& address,
                                                   ChooseShard choose_shard, OnAccept on_accept) {
  ASSIGN_OR_RETURN(const std::vector<tcp::endpoint> endpoints, resolve(shard.context(), address));
  const tcp::endpoint& endpoint = endpoints.front();
  tcp::acceptor acceptor(shard.context());
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(4096, error);
  if (!error) acceptor.non_blocking(true, error);
  if (error) return listen_error(address, error);
  const HostPort bound{address.host, acceptor.local_endpoint(error).port()};
  return std::unique_ptr<Listener>(new Listener(shard, std::move(acceptor), bound,
                                                std::move(choose_shard), std::move(on_accept)));
}

Listener::Listener(IoShard& shard, tcp::acceptor acceptor, HostPort address,
                   ChooseShard choose_shard, OnAccept on_accept)
    : shard_(shard),
      acceptor_(std::move(acceptor)),
      retry_timer_(shard.context()),
      address_(std::move(address)),
      choose_shard_(std::move(choose_shard)),
      on_accept_(std::move(on_accept)) {}

void Listener::start() {
  shard_.post([this] { accept_next(); });
}

void Listener::stop() {
  boost::system::error_code ignored;
  retry_timer_.cancel();
  acceptor_.close(ignored);
}

void Listener::accept_next() {
  IoShard& target = choose_shard_();
  acceptor_.async_accept(
      target.context(), [this, &target](const boost::system::error_code& error, tcp::socket peer) {
        if (error == boost::asio::error::operation_aborted || !acceptor_.is_open()) return;
        if (!error) {
          target.post([this, moved = std::move(peer)]() mutable { on_accept_(std::move(moved)); });
          accept_next();
          return;
        }
        // Out of file descriptors, mostly: wait for some to be freed instead of spinning.
        retry_timer_.expires_after(std::chrono::milliseconds(100));
        retry_timer_.async_wait([this](const boost::system::error_code& cancelled) {
          if (!cancelled && acceptor_.is_open()) accept_next();
        });
      });
}

}  // namespace zeolite::net
