#pragma once

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <string>
#include <utility>

#include "wire/codec.h"

namespace zeolite::net {

// Two connected sockets on the loopback interface. `near` belongs to `context`.
struct SocketPair {
  boost::asio::ip::tcp::socket near;
  boost::asio::ip::tcp::socket far;

  // `buffer`: what the system keeps of what `near` sends, in bytes, on either side; it takes twice
  // that. 0: as much as it likes, which are megabytes.
  static SocketPair make(boost::asio::io_context& near_context,
                         boost::asio::io_context& far_context, int buffer = 0) {
    using boost::asio::ip::tcp;
    tcp::acceptor acceptor(near_context, {boost::asio::ip::address_v4::loopback(), 0});
    tcp::socket far(far_context);
    far.open(tcp::v4());
    if (buffer != 0) far.set_option(tcp::socket::receive_buffer_size(buffer));
    far.connect(acceptor.local_endpoint());
    far.set_option(tcp::no_delay(true));  // several small messages need not wait for each other
    tcp::socket near = acceptor.accept();
    if (buffer != 0) near.set_option(tcp::socket::send_buffer_size(buffer));
    return {std::move(near), std::move(far)};
  }
};

// The far side of a connection, spoken to by the test's own thread. All reads wait.
class Peer {
 public:
  explicit Peer(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  template <typename M>
  void send(const M& message, std::uint32_t request_id) {
    std::string frame;
    wire::encode(message, request_id, frame);
    send_bytes(frame);
  }
  void send_bytes(ByteView bytes) {
    boost::system::error_code ignored;  // the other side may have hung up
    boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), ignored);
  }

  struct Received {
    std::uint32_t request_id = 0;
    wire::Message message;
  };
  // The next message; nothing when the connection has ended.
  std::optional<Received> receive() {
    while (true) {
      auto frame = decoder_.next();
      if (!frame) {
        ADD_FAILURE() << frame.error().detail;
        return std::nullopt;
      }
      if (frame->has_value()) {
        auto message = wire::decode(**frame);
        EXPECT_TRUE(message);
        if (!message) return std::nullopt;
        return Received{(*frame)->request_id, *std::move(message)};
      }
      std::string buffer(64 * 1024, '\0');
      boost::system::error_code error;
      const std::size_t n =
          socket_.read_some(boost::asio::buffer(buffer.data(), buffer.size()), error);
      if (error) {
        end_ = error;
        return std::nullopt;
      }
      buffer.resize(n);
      decoder_.feed(Bytes(std::move(buffer)));
    }
  }
  // The next message, which must be an M.
  template <typename M>
  M expect(std::uint32_t request_id) {
    const std::optional<Received> received = receive();
    if (!received || !std::holds_alternative<M>(received->message)) {
      std::string what = received ? "message " + std::to_string(received->message.index()) : "end";
      if (received && std::holds_alternative<wire::ErrorReply>(received->message)) {
        what += ": " + std::get<wire::ErrorReply>(received->message).error.to_string();
      }
      ADD_FAILURE() << "instead came " << what;
      return {};
    }
    EXPECT_EQ(received->request_id, request_id);
    return std::get<M>(received->message);
  }
  // Whether the connection ended in order, with nothing more to read.
  bool at_end() { return !receive() && end_ == boost::asio::error::eof; }

  void close() { socket_.close(); }
  boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  boost::asio::ip::tcp::socket socket_;
  wire::FrameDecoder decoder_{wire::kBodyMaxDefault};
  boost::system::error_code end_;
};

}  // namespace zeolite::net
