#include "etcd/http_attempt.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <utility>

namespace zeolite::etcd {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

// Whether what was read until `error` may have been HTTP: that it ends early is nothing strange.
bool speaks_http(const error_code& error) {
  const bool of_content =
      error.category() == http::make_error_code(http::error::bad_version).category();
  return !of_content || error == http::error::end_of_stream ||
         error == http::error::partial_message;
}

}  // namespace

bool HttpConnection::is_stale() {
  std::array<char, 1> byte{};
  const ssize_t size =
      ::recv(socket.native_handle(), byte.data(), byte.size(), MSG_PEEK | MSG_DONTWAIT);
  return buffer.size() > 0 || size >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

HttpAttempt::HttpAttempt(asio::io_context& context, const net::HostPort& endpoint,
                         const HttpCall& call, Done done)
    : context_(context),
      endpoint_(endpoint),
      done_(std::move(done)),
      timer_(context),
      resolver_(context),
      request_(http::verb::post, call.path, 11, call.body) {
  request_.set(http::field::host, endpoint_.to_string());
  request_.set(http::field::content_type, "application/json");
  request_.prepare_payload();
}

void HttpAttempt::start(std::unique_ptr<HttpConnection> kept, Instant connected_by,
                        Instant deadline) {
  deadline_ = deadline;
  if (kept) {
    connection_ = std::move(kept);
    write();
    return;
  }
  connection_ = std::make_unique<HttpConnection>(context_);
  arm(connected_by);
  resolve();
}

void HttpAttempt::abandon() {
  done_ = nullptr;
  timer_.cancel();
  resolver_.cancel();
  error_code ignored;
  if (connection_) connection_->socket.close(ignored);
}

void HttpAttempt::resolve() {
  error_code not_numeric;
  const asio::ip::address address = asio::ip::make_address(endpoint_.host, not_numeric);
  if (!not_numeric) {
    // Needs no resolver, which is a thread of its own.
    return connect(asio::ip::tcp::resolver::results_type::create(
        asio::ip::tcp::endpoint(address, endpoint_.port), endpoint_.host, ""));
  }
  resolver_.async_resolve(endpoint_.host, std::to_string(endpoint_.port),
                          [self = shared_from_this()](error_code error, const auto& addresses) {
                            if (!self->done_) return;
                            if (error) return self->fail(ErrorCode::unavailable, error.message());
                            self->connect(addresses);
                          });
}

void HttpAttempt::connect(const asio::ip::tcp::resolver::results_type& addresses) {
  asio::async_connect(
      connection_->socket, addresses, [self = shared_from_this()](error_code error, const auto&) {
        if (!self->done_) return;
        if (error) return self->fail(ErrorCode::unavailable, error.message());
        error_code ignored;
        self->connection_->socket.set_option(asio::ip::tcp::no_delay(true), ignored);
        self->write();
      });
}

void HttpAttempt::write() {
  sent_ = true;
  arm(deadline_);
  http::async_write(connection_->socket, request_,
                    [self = shared_from_this()](error_code error, std::size_t) {
                      if (!self->done_) return;
                      if (error) return self->fail(ErrorCode::unavailable, error.message());
                      self->read();
                    });
}

void HttpAttempt::read() {
  parser_.emplace();
  parser_->body_limit(kBodyMax);
  http::async_read(connection_->socket, connection_->buffer, *parser_,
                   [self = shared_from_this()](error_code error, std::size_t) {
                     if (!self->done_) return;
                     if (error == http::error::body_limit) {
                       return self->fail(ErrorCode::protocol_error, "the answer is too long");
                     }
                     if (error && !speaks_http(error)) {
                       return self->fail(ErrorCode::protocol_error,
                                         "what is there does not speak HTTP: " + error.message());
                     }
                     if (error) return self->fail(ErrorCode::unavailable, error.message());
                     auto answer = self->parser_->release();
                     std::unique_ptr<HttpConnection> reusable;
                     if (answer.keep_alive()) reusable = std::move(self->connection_);
                     self->finish({Answer{answer.result_int(), std::move(answer.body())}, true,
                                   std::move(reusable)});
                   });
}

void HttpAttempt::arm(Instant when) {
  timer_.expires_at(when);
  timer_.async_wait([self = shared_from_this()](error_code error) {
    // A timer that was moved on may have fired already.
    if (error || !self->done_ || self->timer_.expiry() > std::chrono::steady_clock::now()) return;
    self->fail(ErrorCode::timeout, self->sent_ ? "no answer in time" : "no connection in time");
  });
}

void HttpAttempt::fail(ErrorCode code, const std::string& what) {
  finish({make_error(code, "etcd at " + endpoint_.to_string() + ": " + what), sent_, nullptr});
}

void HttpAttempt::finish(Outcome outcome) {
  Done done = std::exchange(done_, nullptr);
  abandon();
  done(std::move(outcome));
}

}  // namespace zeolite::etcd
