#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "base/error.h"
#include "net/address.h"
#include "net/io_shard.h"

namespace zeolite::net {

// Accepts TCP connections on one address and hands each to a shard of the owner's choice.
// Thread: created and destroyed anywhere; accepts on its shard's thread. Owner: the server, which
// stops the shard before destroying the listener.
class Listener {
 public:
  // The shard an accepted socket is to live on; called on the listener's shard.
  using ChooseShard = std::function<IoShard&()>;
  // Called on the chosen shard's thread.
  using OnAccept = std::function<void(boost::asio::ip::tcp::socket)>;

  // Binds and listens. Port 0 picks a free one. Errors: busy (the port is in use), io_error, each
  // with the address and what to do.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> listen(IoShard& shard,
                                                                const HostPort& address,
                                                                ChooseShard choose_shard,
                                                                OnAccept on_accept);

  // The address bound, with the port that was picked.
  [[nodiscard]] const HostPort& address() const { return address_; }

  // Starts accepting.
  void start();
  // Stops accepting; the port is free when this returns on the listener's shard.
  void stop();

 private:
  Listener(IoShard& shard, boost::asio::ip::tcp::acceptor acceptor, HostPort address,
           ChooseShard choose_shard, OnAccept on_accept);
  void accept_next();

  IoShard& shard_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_timer_;
  HostPort address_;
  ChooseShard choose_shard_;
  OnAccept on_accept_;
};

}  // namespace zeolite::net
