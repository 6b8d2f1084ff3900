#include "cli/client_link.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <utility>
#include <variant>

namespace zeolite::cli {

Result<std::vector<ServerAddress>> resolve_all(net::IoShard& shard,
                                               const std::vector<net::HostPort>& addresses) {
  // One name that is unknown does not spoil the others.
  std::vector<ServerAddress> result;
  Result<> failure;
  for (const net::HostPort& address : addresses) {
    auto endpoints = net::resolve(shard.context(), address);
    if (endpoints) {
      result.push_back({address.to_string(), *std::move(endpoints)});
    } else {
      failure = std::unexpected(std::move(endpoints).error());
    }
  }
  if (result.empty() && !failure) return std::unexpected(std::move(failure).error());
  return result;
}

ClientLink::ClientLink(net::IoShard& shard, Options options, Owner& owner)
    : shard_(shard),
      options_(std::move(options)),
      given_(options_.addresses.size()),
      owner_(&owner),
      resolver_(shard.context()),
      socket_(shard.context()),
      timer_(shard.context()) {}

void ClientLink::connect() {
  tried_ = 0;
  followed_ = false;
  standby_.reset();
  last_error_.reset();
  // With one address there is nothing to choose from.
  any_role_ = !options_.primary_only && given_ == 1;
  try_next();
}

void ClientLink::try_next() {
  if (tried_ < options_.addresses.size()) {
    open((first_ + tried_++) % options_.addresses.size());
    return;
  }
  if (standby_ && !options_.primary_only) {
    any_role_ = true;
    open(*std::exchange(standby_, std::nullopt));
    return;
  }
  if (standby_ || !last_error_) {
    fail(Error{ErrorCode::not_primary, "none of the addresses given is the primary"});
    return;
  }
  fail(*last_error_);
}

void ClientLink::open(std::size_t index) {
  index_ = index;
  const std::uint64_t attempt = ++attempt_;
  socket_ = boost::asio::ip::tcp::socket(shard_.context());
  timer_.expires_after(options_.attempt_timeout);
  timer_.async_wait([self = shared_from_this(), attempt](const boost::system::error_code& error) {
    if (error || self->attempt_ != attempt || self->ready_) return;
    // Frozen or overloaded is not the same as not there.
    self->attempt_failed(
        self->connection_ ? Error{ErrorCode::timeout, "it was reached, but did not answer in time"}
                          : Error{ErrorCode::unavailable, "nothing was heard from there in time"});
  });
  ServerAddress& address = options_.addresses[index];
  if (!address.endpoints.empty()) {
    dial(attempt);
    return;
  }
  const Result<net::HostPort> parsed = net::parse_host_port(address.text);
  resolver_.async_resolve(parsed->host, std::to_string(parsed->port),
                          [self = shared_from_this(), attempt, index](
                              const boost::system::error_code& error, const auto& found) {
                            if (attempt != self->attempt_ || self->owner_ == nullptr) return;
                            if (error) {
                              self->attempt_failed(Error{ErrorCode::unavailable, error.message()});
                            } else {
                              self->options_.addresses[index].endpoints.assign(found.begin(),
                                                                               found.end());
                              self->dial(attempt);
                            }
                          });
}

void ClientLink::dial(std::uint64_t attempt) {
  boost::asio::async_connect(
      socket_, options_.addresses[index_].endpoints,
      [self = shared_from_this(), attempt](const boost::system::error_code& error, const auto&) {
        self->connected(attempt, error);
      });
}

void ClientLink::connected(std::uint64_t attempt, const boost::system::error_code& error) {
  if (attempt != attempt_ || owner_ == nullptr) return;
  if (error) {
    attempt_failed(Error{ErrorCode::unavailable, error.message()});
    return;
  }
  connection_ = std::make_shared<net::FramedConnection>(
      shard_, std::move(socket_), *this,
      net::FramedConnection::Limits{.body_max = wire::kBodyMaxOfServer});
  connection_->start();
  options_.hello.accepts_standby = any_role_;
  send(options_.hello, 1);
}

void ClientLink::attempt_failed(Error why) {
  drop();
  if (owner_ == nullptr) return;
  last_error_ = std::move(why).prefixed("cannot connect to " + options_.addresses[index_].text);
  try_next();
}

void ClientLink::drop() {
  ++attempt_;
  ready_ = false;
  timer_.cancel();
  resolver_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (connection_) std::exchange(connection_, nullptr)->detach();
}

void ClientLink::shut() {
  owner_ = nullptr;
  drop();
}

void ClientLink::fail(Error why) {
  drop();
  if (owner_ != nullptr) owner_->on_down(why);
}

void ClientLink::on_frame(wire::Frame frame) {
  if (owner_ == nullptr) return;
  Result<wire::Message> message = wire::decode(frame);
  if (!message) {
    fail(std::move(message).error().prefixed("bad message from the server"));
    return;
  }
  if (ready_) {
    // A reason for closing: the connection ends next, and this is what it ended for.
    if (frame.request_id == 0 && std::holds_alternative<wire::ErrorReply>(*message)) {
      fail(std::get<wire::ErrorReply>(std::move(*message)).error);
      return;
    }
    owner_->on_message(frame.request_id, std::move(*message));
    return;
  }
  if (const auto* welcome = std::get_if<wire::Welcome>(&*message)) {
    on_welcome(*welcome);
  } else if (auto* reply = std::get_if<wire::ErrorReply>(&*message)) {
    refused(std::move(*reply));
  }
  // Invalidations that bring a cache up to date come before the welcome; there is no cache here.
}

void ClientLink::refused(wire::ErrorReply reply) {
  const std::string where = options_.addresses[index_].text;
  drop();
  const bool standby = reply.error.code == ErrorCode::not_primary;
  last_error_ = std::move(reply.error).prefixed(where + " refused the connection");
  if (standby && !any_role_) {
    if (!standby_) standby_ = index_;
    if (follow(reply.leader)) return;
  }
  try_next();
}

bool ClientLink::follow(const std::string& leader) {
  const Result<net::HostPort> address = net::parse_host_port(leader);
  if (!address || std::exchange(followed_, true)) return false;
  std::vector<ServerAddress>& known = options_.addresses;
  const std::string text = address->to_string();
  const auto found = std::ranges::find(known, text, &ServerAddress::text);
  auto index = static_cast<std::size_t>(found - known.begin());
  if (index == index_) return false;
  if (found == known.end()) {
    known.resize(given_);
    index = given_;
    known.push_back({text, {}});
  }
  open(index);
  return true;
}

void ClientLink::on_welcome(const wire::Welcome& welcome) {
  if (welcome.role != wire::NodeRole::primary && !any_role_) {
    if (!standby_) standby_ = index_;
    drop();
    try_next();
    return;
  }
  ready_ = true;
  first_ = index_;
  timer_.cancel();
  owner_->on_ready(welcome);
}

void ClientLink::on_closed(const Error& why) {
  connection_.reset();
  if (owner_ == nullptr) return;
  if (!ready_) {
    attempt_failed(why);
    return;
  }
  fail(Error(why).prefixed("lost " + options_.addresses[index_].text));
}

}  // namespace zeolite::cli
