#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "net/framed_connection.h"
#include "net/io_shard.h"
#include "net/listener.h"
#include "wire/codec.h"
#include "wire/messages.h"

namespace zeolite::cli {

// A server on a port of its own that answers as a test says.
class FakeServer {
 public:
  class Peer;
  // What to do with a message; called on the server's thread.
  using OnMessage = std::function<void(Peer&, std::uint32_t request_id, const wire::Message&)>;

  // One client's connection.
  class Peer final : public net::FramedConnection::Handler {
   public:
    Peer(FakeServer& server, net::Socket socket)
        : server_(server),
          connection_(std::make_shared<net::FramedConnection>(
              server.shard_, std::move(socket), *this, net::FramedConnection::Limits{})) {
      connection_->start();
    }
    ~Peer() override { connection_->detach(); }

    template <typename M>
    void send(const M& message, std::uint32_t request_id) {
      connection_->send(message, request_id);
    }
    void hang_up() { connection_->close({ErrorCode::unavailable, "hung up"}); }

    void on_frame(wire::Frame frame) override {
      const Result<wire::Message> message = wire::decode(frame);
      CHECK(message, "the client under test sends what can be decoded");
      server_.on_message_(*this, frame.request_id, *message);
    }
    void on_closed(const Error& /*why*/) override {}

   private:
    FakeServer& server_;
    std::shared_ptr<net::FramedConnection> connection_;
  };

  explicit FakeServer(OnMessage on_message) : on_message_(std::move(on_message)) {
    auto listener = net::Listener::listen(
        shard_, net::HostPort{"127.0.0.1", 0}, [this]() -> net::IoShard& { return shard_; },
        [this](net::Socket socket) {
          peers_.push_back(std::make_unique<Peer>(*this, std::move(socket)));
        });
    CHECK(listener, "a free port can be listened on");
    listener_ = std::move(*listener);
    on_shard([this] { CHECK(listener_->start().has_value(), "the fake server listens"); });
  }

  ~FakeServer() {
    on_shard([this] {
      listener_->stop();
      peers_.clear();
    });
  }

  [[nodiscard]] const net::HostPort& address() const { return listener_->address().tcp; }

  // Runs on the server's thread and waits for it.
  void on_shard(const std::function<void()>& function) {
    std::promise<void> done;
    shard_.post([&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  OnMessage on_message_;
  net::IoShard shard_{"fake-server"};
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<Peer>> peers_;
};

[[nodiscard]] inline wire::Welcome welcome_of(wire::NodeRole role) {
  wire::Welcome welcome;
  welcome.role = role;
  welcome.node = "fake";
  return welcome;
}

}  // namespace zeolite::cli
