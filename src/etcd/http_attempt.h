#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "etcd/etcd_json.h"
#include "net/address.h"

namespace zeolite::etcd {

// A connection to an endpoint, kept between requests.
struct HttpConnection {
  explicit HttpConnection(boost::asio::io_context& context) : socket(context) {}

  // Whether the peer closed it, or sent what nobody asked for, while it was idle.
  [[nodiscard]] bool is_stale();

  boost::asio::ip::tcp::socket socket;
  boost::beast::flat_buffer buffer;
};

// Posts one call to one endpoint, once. Ends exactly once: answered, failed, out of time, or
// abandoned. Owned by a shared pointer, which its own handlers hold as well.
//
// Thread: the io_context's.
class HttpAttempt : public std::enable_shared_from_this<HttpAttempt> {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  struct Answer {
    unsigned status = 0;
    std::string body;
  };
  struct Outcome {
    Result<Answer> answer;
    bool sent = false;  // the endpoint may have got the call
    // The connection if it can be used again.
    std::unique_ptr<HttpConnection> connection;
  };
  using Done = std::function<void(Outcome)>;

  // Longest answer taken: all keys of a cluster with its members are a few kilobytes.
  static constexpr std::size_t kBodyMax = 1024 * 1024;

  HttpAttempt(boost::asio::io_context& context, const net::HostPort& endpoint, const HttpCall& call,
              Done done);

  // Sends on `kept` if there is one; else connects, which must be done by `connected_by`. The
  // answer must be there by `deadline`. `done` is never called within this call.
  void start(std::unique_ptr<HttpConnection> kept, Instant connected_by, Instant deadline);

  // `done` will not be called any more; the connection is closed.
  void abandon();

 private:
  void resolve();
  void connect(const boost::asio::ip::tcp::resolver::results_type& addresses);
  void write();
  void read();
  void arm(Instant when);
  void fail(ErrorCode code, const std::string& what);
  void finish(Outcome outcome);

  boost::asio::io_context& context_;
  net::HostPort endpoint_;
  Done done_;  // empty: ended
  boost::asio::steady_timer timer_;
  boost::asio::ip::tcp::resolver resolver_;
  std::unique_ptr<HttpConnection> connection_;
  boost::beast::http::request<boost::beast::http::string_body> request_;
  std::optional<boost::beast::http::response_parser<boost::beast::http::string_body>> parser_;
  Instant deadline_{};
  bool sent_ = false;
};

}  // namespace zeolite::etcd
