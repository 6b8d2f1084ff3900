#include "support/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <system_error>
#include <vector>

namespace zeolite::testing {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadSize = 32 * 1024;

std::unexpected<Error> lost(int error) {
  return make_error(ErrorCode::unavailable, std::generic_category().message(error));
}

}  // namespace

Result<RawClient> RawClient::connect(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return lost(errno);
  RawClient client(descriptor);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return lost(errno);
  }
  return client;
}

void RawClient::keep_little_unread() const {
  const int bytes = 64 * 1024;
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

Result<RawClient> RawClient::open(std::uint16_t port, const wire::Hello& hello) {
  ASSIGN_OR_RETURN(RawClient client, connect(port));
  RETURN_IF_ERROR(client.send(hello, 1));
  ASSIGN_OR_RETURN(client.welcome_, client.receive_as<wire::Welcome>(1));
  return client;
}

RawClient::RawClient(RawClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      last_id_(other.last_id_),
      decoder_(std::move(other.decoder_)),
      welcome_(std::move(other.welcome_)),
      invalidations_(std::move(other.invalidations_)) {}

RawClient& RawClient::operator=(RawClient&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(last_id_, other.last_id_);
  std::swap(decoder_, other.decoder_);
  std::swap(welcome_, other.welcome_);
  std::swap(invalidations_, other.invalidations_);
  return *this;
}

RawClient::~RawClient() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<> RawClient::wait_ready(short events, Clock::time_point until) {
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(until - Clock::now());
    pollfd ready{descriptor_, events, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (count > 0) return {};
    if (count < 0 && errno != EINTR) return lost(errno);
    if (Clock::now() >= until) return make_error(ErrorCode::timeout, "the server did not move");
  }
}

Result<std::size_t> RawClient::send_some(ByteView bytes) {
  const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  if (errno == EAGAIN || errno == EINTR) return 0;
  return lost(errno);
}

Result<> RawClient::send_bytes(ByteView bytes, Milliseconds timeout) {
  const auto until = Clock::now() + timeout;
  while (!bytes.empty()) {
    ASSIGN_OR_RETURN(const std::size_t sent, send_some(bytes));
    bytes.remove_prefix(sent);
    if (sent == 0) RETURN_IF_ERROR(wait_ready(POLLOUT, until));
  }
  return {};
}

Result<RawClient::Received> RawClient::receive(Milliseconds timeout) {
  const auto until = Clock::now() + timeout;
  while (true) {
    ASSIGN_OR_RETURN(std::optional<wire::Frame> frame, decoder_.next());
    if (frame) {
      ASSIGN_OR_RETURN(wire::Message message, wire::decode(*frame));
      return Received{frame->request_id, std::move(message)};
    }
    RETURN_IF_ERROR(wait_ready(POLLIN, until));
    std::string buffer(kReadSize, '\0');
    const ssize_t size = ::recv(descriptor_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size < 0) return lost(errno);
    if (size == 0) return make_error(ErrorCode::unavailable, "closed by the server");
    buffer.resize(static_cast<std::size_t>(size));
    decoder_.feed(Bytes::copy_of(buffer));
  }
}

Result<wire::Message> RawClient::receive_reply(std::uint32_t request_id, Milliseconds timeout) {
  const auto until = Clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(until - Clock::now());
    ASSIGN_OR_RETURN(Received received, receive(std::max(left, Milliseconds(0))));
    if (auto* told = std::get_if<wire::Invalidate>(&received.message)) {
      invalidations_.push_back(std::move(*told));
      continue;
    }
    const bool concerns_us = received.request_id == request_id || received.request_id == 0;
    if (auto* failed = std::get_if<wire::ErrorReply>(&received.message); failed && concerns_us) {
      return std::unexpected(std::move(failed->error));
    }
    if (received.request_id != request_id) {
      return make_error(ErrorCode::protocol_error, "an answer to another request");
    }
    return std::move(received.message);
  }
}

bool RawClient::wait_closed(Milliseconds timeout, Error* why) {
  const auto until = Clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(until - Clock::now());
    Result<Received> received = receive(std::max(left, Milliseconds(0)));
    if (!received) return received.error().code == ErrorCode::unavailable;
    auto* failed = std::get_if<wire::ErrorReply>(&received->message);
    if (failed != nullptr && why != nullptr) *why = std::move(failed->error);
  }
}

SessionId random_session() {
  std::random_device random;
  SessionId session;
  for (std::uint8_t& byte : session) byte = static_cast<std::uint8_t>(random());
  return session;
}

}  // namespace zeolite::testing
