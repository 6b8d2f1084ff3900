#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "wire/codec.h"
#include "wire/frame.h"
#include "wire/messages.h"

namespace zeolite::testing {

// A blocking connection to a native port that does exactly what it is told, also what no proper
// client would: any bytes, in any order. Move only. Thread: one at a time.
class RawClient {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // Connects, and says nothing. Error unavailable.
  [[nodiscard]] static Result<RawClient> connect(std::uint16_t port);
  // Connects and introduces itself. `hello.session` is as given.
  [[nodiscard]] static Result<RawClient> open(std::uint16_t port, const wire::Hello& hello);

  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&& other) noexcept;
  ~RawClient();

  // The answer to hello; frames that came before it stay in invalidations(). Only after open().
  [[nodiscard]] const wire::Welcome& welcome() const { return welcome_; }

  // From now on the system keeps little of what the server sends: a test that does not read meets
  // the server's limits sooner.
  void keep_little_unread() const;

  // Writes all of it. Errors: unavailable (closed by the server), timeout.
  [[nodiscard]] Result<> send_bytes(ByteView bytes, Milliseconds timeout = kTimeout);
  // How many of `bytes` the socket takes at once. Error unavailable: closed by the server.
  [[nodiscard]] Result<std::size_t> send_some(ByteView bytes);
  template <typename M>
  [[nodiscard]] Result<> send(const M& message, std::uint32_t request_id) {
    std::string frame;
    wire::encode(message, request_id, frame);
    return send_bytes(frame);
  }

  struct Received {
    std::uint32_t request_id = 0;
    wire::Message message;
  };
  // The next message, whatever it is. Errors: unavailable (closed), timeout, protocol_error.
  [[nodiscard]] Result<Received> receive(Milliseconds timeout = kTimeout);
  // The answer to `request_id`; invalidations that come before it are kept. The server's own error
  // when it answers, or closes, with one.
  [[nodiscard]] Result<wire::Message> receive_reply(std::uint32_t request_id,
                                                    Milliseconds timeout = kTimeout);
  template <typename Reply>
  [[nodiscard]] Result<Reply> receive_as(std::uint32_t request_id,
                                         Milliseconds timeout = kTimeout) {
    ASSIGN_OR_RETURN(wire::Message message, receive_reply(request_id, timeout));
    auto* reply = std::get_if<Reply>(&message);
    if (reply == nullptr) {
      return make_error(ErrorCode::protocol_error,
                        "message variant " + std::to_string(message.index()) + " instead");
    }
    return std::move(*reply);
  }
  // Sends a request and waits for its answer.
  template <typename Reply, typename M>
  [[nodiscard]] Result<Reply> ask(const M& request, Milliseconds timeout = kTimeout) {
    const std::uint32_t id = next_id();
    RETURN_IF_ERROR(send(request, id));
    return receive_as<Reply>(id, timeout);
  }
  [[nodiscard]] std::uint32_t next_id() { return ++last_id_; }

  // Reads until the server closes. True when it does within `timeout`; what it said last of all
  // about why is in `why`, if anything.
  [[nodiscard]] bool wait_closed(Milliseconds timeout, Error* why = nullptr);

  // All that were read so far by receive_reply() and ask(), in order.
  [[nodiscard]] std::vector<wire::Invalidate>& invalidations() { return invalidations_; }

  static constexpr Milliseconds kTimeout = std::chrono::seconds(20);

 private:
  explicit RawClient(int descriptor) : descriptor_(descriptor) {}
  [[nodiscard]] Result<> wait_ready(short events, std::chrono::steady_clock::time_point until);

  int descriptor_ = -1;
  std::uint32_t last_id_ = 1;
  wire::FrameDecoder decoder_{wire::kBodyMaxDefault};
  wire::Welcome welcome_;
  std::vector<wire::Invalidate> invalidations_;
};

// A session id of its own.
[[nodiscard]] SessionId random_session();

}  // namespace zeolite::testing
