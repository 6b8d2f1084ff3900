#pragma once

#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "base/error.h"
#include "net/address.h"
#include "net/io_shard.h"
#include "net/kept_port.h"
#include "net/stream_connection.h"

namespace zeolite::net {

// Accepts connections on one address and hands each to a shard of the owner's choice.
// Thread: created and destroyed anywhere; accepts on its shard's thread. Owner: the server, which
// stops the shard, and those it hands sockets to, before destroying the listener.
class Listener {
 public:
  // The shard that the next accepted socket is to live on; called once for each, on the listener's
  // shard.
  using ChooseShard = std::function<IoShard&()>;
  // Called on the chosen shard's thread.
  using OnAccept = std::function<void(Socket)>;
  // Whether one more may be accepted, besides `under_way` that are accepted and not handed over
  // yet. Called before each, on the listener's shard, and while it says no, every 100 ms.
  using HasRoom = std::function<bool(std::size_t under_way)>;

  // Binds and listens. Port 0 picks a free one. A Unix socket whose server is gone is replaced.
  // Error io_error, also for an address in use, with the address and what to do.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> listen(IoShard& shard,
                                                                const ListenAddress& address,
                                                                ChooseShard choose_shard,
                                                                OnAccept on_accept);

  // The same, but until start() connections are refused: for a port whose time may come. A Unix
  // socket has no file until then: who sees that it is there may connect.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> reserve(IoShard& shard,
                                                                 const ListenAddress& address,
                                                                 ChooseShard choose_shard,
                                                                 OnAccept on_accept);

  // Of a port that a listener has kept: whoever has connected since then is accepted first.
  // Precondition: it was not taken.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> reopen(IoShard& shard, KeptPort& kept,
                                                                const ListenAddress& address,
                                                                ChooseShard choose_shard,
                                                                OnAccept on_accept);

  // While there is no room, peers are not accepted: they are connected as far as they can see, and
  // wait. To be called before start().
  void accept_while(HasRoom has_room) { has_room_ = std::move(has_room); }

  // The address bound, with the port that was picked.
  [[nodiscard]] const ListenAddress& address() const { return address_; }

  // Accepts. Of a reserved one, error io_error: another program listens there by now.
  [[nodiscard]] Result<> start();
  // Stops accepting, removes a Unix socket's file; the port is free when this returns on the
  // listener's shard.
  void stop();
  // Stops accepting, but leaves the port open, for a listener that comes after this one. Null when
  // it was stopped. On the listener's shard.
  [[nodiscard]] std::unique_ptr<KeptPort> keep();

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

  [[nodiscard]] static Result<Acceptor> bind(IoShard& shard, const ListenAddress& address);

  Listener(IoShard& shard, Acceptor acceptor, ListenAddress address, ChooseShard choose_shard,
           OnAccept on_accept);
  [[nodiscard]] Result<> begin_listening();
  void accept_next();
  void accept_ready();
  void accept_later();

  IoShard& shard_;
  Acceptor acceptor_;
  boost::asio::steady_timer retry_timer_;
  ListenAddress address_;
  ChooseShard choose_shard_;
  OnAccept on_accept_;
  HasRoom has_room_;  // empty: there is always room
  std::atomic<std::size_t> under_way_ = 0;
  IoShard* chosen_ = nullptr;  // for the next one
};

}  // namespace zeolite::net
