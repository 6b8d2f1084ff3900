#include "net/listener.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <cstring>
#include <utility>

namespace zeolite::net {

namespace {

using boost::asio::ip::tcp;
using boost::asio::local::datagram_protocol;
using boost::asio::local::stream_protocol;
using Endpoint = boost::asio::generic::stream_protocol::endpoint;

constexpr int kBacklog = 4096;
// So that a crowd at the door does not keep those inside waiting.
constexpr int kAcceptedAtOnce = 16;
constexpr auto kRetryAfter = std::chrono::milliseconds(100);
// Listening sockets are numbered from here on, or below the process's limit: above connections.
constexpr int kFirstNumber = 64 * 1024;
constexpr int kNumbersKept = 64;  // below the limit

std::unexpected<Error> listen_error(const ListenAddress& address,
                                    const boost::system::error_code& error) {
  if (error == boost::asio::error::address_in_use) {
    return make_error(ErrorCode::io_error,
                      "cannot listen on " + address.to_string() +
                          ": it is in use by another program; stop it or choose "
                          "another port");
  }
  std::string detail = "cannot listen on " + address.to_string() + ": " + error.message();
  if (error == boost::system::errc::address_not_available) {
    detail += "; choose an address of this machine, or 0.0.0.0 for all it has";
  }
  return make_error(ErrorCode::io_error, std::move(detail));
}

Result<Endpoint> endpoint_of(IoShard& shard, const ListenAddress& address) {
  if (!address.unix_path.empty()) return Endpoint(stream_protocol::endpoint(address.unix_path));
  ASSIGN_OR_RETURN(const std::vector<tcp::endpoint> found, resolve(shard.context(), address.tcp));
  return Endpoint(found.front());
}

// A server that was killed leaves its socket's file behind, and nobody can bind it again.
//
// One that is bound and does not listen yet refuses connections as a dead one does. One of another
// type does not: it is told that the types differ (EPROTOTYPE), as long as the socket is there.
void remove_dead_socket(IoShard& shard, const std::string& path) {
  datagram_protocol::socket probe(shard.context());
  boost::system::error_code error;
  probe.connect(datagram_protocol::endpoint(path), error);
  if (error != boost::asio::error::connection_refused) return;
  struct stat file{};
  if (::lstat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode)) ::unlink(path.c_str());
}

// The socket with a greater number than connections have. Linux closes the files of a process that
// is killed from the greatest number down, so that who sees his connection end, and connects again
// at once, is refused. Were he accepted by the dying process, he would lose a connection on which
// nothing was said yet, and a stock ZEO client that is refused at another address never connects
// again then (docs/python-clients.md). Where there is no such number: as it was.
int with_great_number(int socket) {
  struct rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return socket;
  const int end = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, kFirstNumber + kNumbersKept));
  const int number = ::fcntl(socket, F_DUPFD_CLOEXEC, std::max(end - kNumbersKept, 0));
  if (number < 0) return socket;
  ::close(socket);
  return number;
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::listen(IoShard& shard, const ListenAddress& address,
                                                   ChooseShard choose_shard, OnAccept on_accept) {
  ASSIGN_OR_RETURN(std::unique_ptr<Listener> listener,
                   reserve(shard, address, std::move(choose_shard), std::move(on_accept)));
  RETURN_IF_ERROR(listener->begin_listening());
  return listener;
}

Result<std::unique_ptr<Listener>> Listener::reserve(IoShard& shard, const ListenAddress& address,
                                                    ChooseShard choose_shard, OnAccept on_accept) {
  ASSIGN_OR_RETURN(Acceptor acceptor, bind(shard, address));
  boost::system::error_code error;
  ListenAddress bound = address;
  if (address.unix_path.empty()) {
    const Endpoint taken = acceptor.local_endpoint(error);
    tcp::endpoint with_port;
    with_port.resize(taken.size());
    std::memcpy(with_port.data(), taken.data(), taken.size());
    bound.tcp.port = with_port.port();
  } else {  // it can be bound; begin_listening() does
    ::unlink(address.unix_path.c_str());
    acceptor.close(error);
  }
  return std::unique_ptr<Listener>(new Listener(shard, std::move(acceptor), std::move(bound),
                                                std::move(choose_shard), std::move(on_accept)));
}

Result<Listener::Acceptor> Listener::bind(IoShard& shard, const ListenAddress& address) {
  ASSIGN_OR_RETURN(const Endpoint endpoint, endpoint_of(shard, address));
  const bool local = !address.unix_path.empty();
  if (local) remove_dead_socket(shard, address.unix_path);
  Acceptor acceptor(shard.context());
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  const int socket = error ? -1 : acceptor.release(error);
  if (!error) acceptor.assign(endpoint.protocol(), with_great_number(socket), error);
  if (!error && !local) acceptor.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.non_blocking(true, error);
  // Or else one who gives up while he waits to be accepted makes accept wait for the next.
  if (!error) {
    acceptor.set_option(boost::asio::socket_base::enable_connection_aborted(true), error);
  }
  if (error) return listen_error(address, error);
  return acceptor;
}

Result<std::unique_ptr<Listener>> Listener::reopen(IoShard& shard, KeptPort& kept,
                                                   const ListenAddress& address,
                                                   ChooseShard choose_shard, OnAccept on_accept) {
  ASSIGN_OR_RETURN(const Endpoint endpoint, endpoint_of(shard, address));
  Acceptor acceptor(shard.context());
  boost::system::error_code error;
  acceptor.assign(endpoint.protocol(), kept.take(), error);
  if (!error) acceptor.non_blocking(true, error);
  if (error) return listen_error(address, error);
  return std::unique_ptr<Listener>(new Listener(shard, std::move(acceptor), address,
                                                std::move(choose_shard), std::move(on_accept)));
}

Listener::Listener(IoShard& shard, Acceptor acceptor, ListenAddress address,
                   ChooseShard choose_shard, OnAccept on_accept)
    : shard_(shard),
      acceptor_(std::move(acceptor)),
      retry_timer_(shard.context()),
      address_(std::move(address)),
      choose_shard_(std::move(choose_shard)),
      on_accept_(std::move(on_accept)) {}

Result<> Listener::begin_listening() {
  if (!acceptor_.is_open()) {
    ASSIGN_OR_RETURN(acceptor_, bind(shard_, address_));
  }
  boost::system::error_code error;
  acceptor_.listen(kBacklog, error);
  if (error) return listen_error(address_, error);
  return {};
}

Result<> Listener::start() {
  RETURN_IF_ERROR(begin_listening());
  shard_.post([this] { accept_next(); });
  return {};
}

void Listener::stop() {
  boost::system::error_code ignored;
  retry_timer_.cancel();
  if (!acceptor_.is_open()) return;
  acceptor_.close(ignored);
  if (!address_.unix_path.empty()) ::unlink(address_.unix_path.c_str());
}

std::unique_ptr<KeptPort> Listener::keep() {
  retry_timer_.cancel();
  if (!acceptor_.is_open()) return nullptr;
  boost::system::error_code error;
  const int socket = acceptor_.release(error);
  return error ? nullptr : std::make_unique<KeptPort>(socket);
}

// Waits without a socket for the next peer: one belongs to a shard, and that may end before ours.
void Listener::accept_next() {
  acceptor_.async_wait(Acceptor::wait_read, [this](const boost::system::error_code& error) {
    if (error == boost::asio::error::operation_aborted || !acceptor_.is_open()) return;
    accept_ready();
  });
}

void Listener::accept_ready() {
  boost::system::error_code error;
  for (int accepted = 0; accepted < kAcceptedAtOnce; ++accepted) {
    if (has_room_ && !has_room_(under_way_.load())) {
      accept_later();
      return;
    }
    if (chosen_ == nullptr) chosen_ = &choose_shard_();
    Socket peer(chosen_->context());
    acceptor_.accept(peer, error);
    if (error) break;
    under_way_.fetch_add(1);
    std::exchange(chosen_, nullptr)->post([this, moved = std::move(peer)]() mutable {
      on_accept_(std::move(moved));
      under_way_.fetch_sub(1);
    });
  }
  const bool peer_gave_up = error == boost::asio::error::connection_aborted;
  if (!error || peer_gave_up || error == boost::asio::error::would_block) {
    accept_next();
    return;
  }
  // Out of file descriptors, mostly: wait for some to be freed instead of spinning.
  accept_later();
}

void Listener::accept_later() {
  retry_timer_.expires_after(kRetryAfter);
  retry_timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled && acceptor_.is_open()) accept_next();
  });
}

}  // namespace zeolite::net
