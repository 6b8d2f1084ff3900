#pragma once

#include <cstdint>
#include <memory>

#include "net/secure_channel.h"

struct ssl_ctx_st;
struct ssl_st;

namespace zeolite::tls {

// One connection's TLS, the server's end, by OpenSSL over a descriptor that does not block.
//
// A read takes as much from the descriptor as comes, up to a record ahead. What OpenSSL holds then
// makes no descriptor readable; so read() goes on until OpenSSL holds nothing, or says has_more().
// A write hands on one record of up to 16 KiB at a time; one that the descriptor did not take whole
// stays with OpenSSL, and counts as not taken.
//
// Memory of an idle connection: about 16 KiB; OpenSSL's buffers exist while bytes are under way.
class TlsChannel final : public net::SecureChannel {
 public:
  TlsChannel(ssl_ctx_st& context, int descriptor);
  ~TlsChannel() override;
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  [[nodiscard]] Next handshake() override;
  [[nodiscard]] bool is_open() const override { return state_ == State::open; }
  [[nodiscard]] Step read(char* to, std::size_t room) override;
  [[nodiscard]] Step write(ByteView bytes) override;
  [[nodiscard]] bool has_more() const override { return has_more_; }
  [[nodiscard]] bool has_unfinished() const override;
  void say_goodbye() override;
  [[nodiscard]] const Error& end_reason() const override { return end_reason_; }

 private:
  enum class State : std::uint8_t {
    shaking_hands,
    open,
    ended
  };
  struct Free {
    void operator()(ssl_st* ssl) const;
  };

  [[nodiscard]] Next end();
  [[nodiscard]] Next next_after(int result);
  [[nodiscard]] Error reason_of_failure() const;

  std::unique_ptr<ssl_st, Free> ssl_;
  State state_ = State::shaking_hands;
  bool has_more_ = false;
  bool end_is_near_ = false;  // it was noticed, behind bytes that were read
  bool broken_ = false;       // not by the peer's goodbye
  Error end_reason_{ErrorCode::unavailable, "the peer closed the connection"};
};

}  // namespace zeolite::tls
