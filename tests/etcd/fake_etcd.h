#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/address.h"

namespace zeolite::etcd {

// An HTTP server on a free port of 127.0.0.1 that answers, in order, exactly what it is told, on
// the io_context of the client under test. Thread: that one.
class FakeEtcd {
 public:
  struct Reply {
    std::string bytes;   // written as they are
    bool close = false;  // then, or instead
  };

  explicit FakeEtcd(boost::asio::io_context& context)
      : acceptor_(context, {boost::asio::ip::make_address("127.0.0.1"), 0}) {
    accept();
  }

  [[nodiscard]] net::HostPort address() const {
    return {"127.0.0.1", acceptor_.local_endpoint().port()};
  }

  // Replies to the requests to come; to one beyond them nothing is said.
  void reply(std::string bytes, bool close = false) {
    replies_.push_back({std::move(bytes), close});
  }
  void reply_json(const std::string& json, const std::string& status = "200 OK") {
    reply("HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " +
          std::to_string(json.size()) + "\r\n\r\n" + json);
  }
  // Takes no more connections, and closes those that there are.
  void stop() {
    acceptor_.close();
    close_connections();
  }
  void close_connections() {
    for (const auto& connection : connections_) connection->socket.close();
    connections_.clear();
  }

  // "PATH BODY" of each request so far.
  [[nodiscard]] const std::vector<std::string>& requests() const { return requests_; }
  [[nodiscard]] std::size_t accepted() const { return accepted_; }

 private:
  struct Connection {
    explicit Connection(boost::asio::ip::tcp::socket accepted) : socket(std::move(accepted)) {}
    boost::asio::ip::tcp::socket socket;
    boost::beast::flat_buffer buffer;
    boost::beast::http::request<boost::beast::http::string_body> request;
    Reply reply;
  };

  void accept() {
    acceptor_.async_accept([this](auto error, boost::asio::ip::tcp::socket socket) {
      if (error) return;
      ++accepted_;
      connections_.push_back(std::make_shared<Connection>(std::move(socket)));
      read(connections_.back());
      accept();
    });
  }

  void read(const std::shared_ptr<Connection>& connection) {
    connection->request = {};
    boost::beast::http::async_read(connection->socket, connection->buffer, connection->request,
                                   [this, connection](auto error, std::size_t) {
                                     if (!error) answer(connection);
                                   });
  }

  void answer(const std::shared_ptr<Connection>& connection) {
    requests_.push_back(std::string(connection->request.target()) + " " +
                        connection->request.body());
    if (replies_.empty()) return;
    connection->reply = std::move(replies_.front());
    replies_.pop_front();
    boost::asio::async_write(connection->socket, boost::asio::buffer(connection->reply.bytes),
                             [this, connection](auto error, std::size_t) {
                               if (error) return;
                               if (connection->reply.close) return connection->socket.close();
                               read(connection);
                             });
  }

  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<std::shared_ptr<Connection>> connections_;
  std::deque<Reply> replies_;
  std::vector<std::string> requests_;
  std::size_t accepted_ = 0;
};

}  // namespace zeolite::etcd
