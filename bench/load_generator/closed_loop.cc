#include "bench/load_generator/closed_loop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace zeolite::bench {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kPollMs = 100;
constexpr std::chrono::seconds kDrainLimit{5};

std::unexpected<Error> system_error(const std::string& what) {
  return make_error(ErrorCode::io_error, what + ": " + std::strerror(errno));
}

}  // namespace

Result<Address> parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  Address address;
  if (colon != std::string::npos) {
    address.host = text.substr(0, colon);
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + colon + 1, end, address.port);
    if (parsed.ec == std::errc() && parsed.ptr == end && address.port != 0) return address;
  }
  return make_error(ErrorCode::invalid_argument, text + " is not an address: give HOST:PORT");
}

Result<int> connect_to(const Address& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  if (::inet_pton(AF_INET, address.host.c_str(), &to.sin_addr) != 1)
    return make_error(ErrorCode::invalid_argument, address.host + " is not an IPv4 address");
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return system_error("socket");
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    auto error = system_error("connect to " + address.host + ":" + std::to_string(address.port));
    ::close(fd);
    return error;
  }
  return fd;
}

struct ClosedLoop::Client {
  int fd = -1;
  std::unique_ptr<Dialogue> dialogue;
  std::string out;  // not sent yet, from out_sent on
  std::size_t out_sent = 0;
  bool wants_write = false;  // epoll tells us when the socket takes more
  std::string in;            // received, not consumed
  bool ready = false;
  SteadyTime sent{};
};

ClosedLoop::ClosedLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), buffer_(kReadBytes) {}

ClosedLoop::~ClosedLoop() {
  for (const auto& client : clients_) ::close(client->fd);
  if (epoll_ >= 0) ::close(epoll_);
}

Result<> ClosedLoop::add_client(const Address& address, std::unique_ptr<Dialogue> dialogue) {
  ASSIGN_OR_RETURN(const int fd, connect_to(address));
  auto owned = std::make_unique<Client>();
  Client& client = *owned;
  client.fd = fd;
  client.dialogue = std::move(dialogue);
  clients_.push_back(std::move(owned));
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return system_error("fcntl");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &client;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return system_error("epoll_ctl");
  client.dialogue->begin(client.out);
  if (client.out.empty()) {
    client.ready = true;
    return {};
  }
  RETURN_IF_ERROR(flush(client));
  while (!client.ready) RETURN_IF_ERROR(wait_for_events(kPollMs));
  return {};
}

Result<LatencyLog> ClosedLoop::run(std::chrono::nanoseconds duration) {
  log_ = LatencyLog();
  end_ = std::chrono::steady_clock::now() + duration;
  for (const auto& client : clients_) RETURN_IF_ERROR(send_next(*client));
  while (std::chrono::steady_clock::now() < end_) RETURN_IF_ERROR(wait_for_events(kPollMs));
  const SteadyTime give_up = end_ + kDrainLimit;
  while (outstanding_ > 0 && std::chrono::steady_clock::now() < give_up)
    RETURN_IF_ERROR(wait_for_events(kPollMs));
  return std::move(log_);
}

Result<> ClosedLoop::wait_for_events(int timeout_ms) {
  std::array<epoll_event, 128> events;
  const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  if (n < 0 && errno != EINTR) return system_error("epoll_wait");
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    RETURN_IF_ERROR(on_events(*static_cast<Client*>(event.data.ptr), event.events));
  }
  return {};
}

Result<> ClosedLoop::on_events(Client& client, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) RETURN_IF_ERROR(flush(client));
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) RETURN_IF_ERROR(receive(client));
  return {};
}

Result<> ClosedLoop::send_next(Client& client) {
  client.dialogue->request(client.out);
  client.sent = std::chrono::steady_clock::now();
  ++outstanding_;
  return flush(client);
}

Result<> ClosedLoop::flush(Client& client) {
  while (client.out_sent < client.out.size()) {
    const ssize_t n = ::send(client.fd, client.out.data() + client.out_sent,
                             client.out.size() - client.out_sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return system_error("send");
    client.out_sent += static_cast<std::size_t>(n);
  }
  const bool all_sent = client.out_sent == client.out.size();
  if (all_sent) {
    client.out.clear();
    client.out_sent = 0;
  }
  if (client.wants_write == all_sent) {
    client.wants_write = !all_sent;
    epoll_event event{};
    event.events = EPOLLIN | (client.wants_write ? EPOLLOUT : 0U);
    event.data.ptr = &client;
    if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, client.fd, &event) != 0)
      return system_error("epoll_ctl");
  }
  return {};
}

Result<> ClosedLoop::receive(Client& client) {
  const ssize_t n = ::recv(client.fd, buffer_.data(), buffer_.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n < 0) return system_error("recv");
  if (n == 0) return make_error(ErrorCode::unavailable, "the server closed the connection");
  client.in.append(buffer_.data(), static_cast<std::size_t>(n));
  for (;;) {
    Dialogue::Step step = client.dialogue->advance(client.in);
    if (step.kind == Dialogue::Step::Kind::failed)
      return make_error(ErrorCode::protocol_error, std::move(step.reason));
    if (step.kind == Dialogue::Step::Kind::need_more) return {};
    client.in.erase(0, step.consumed);
    if (step.kind == Dialogue::Step::Kind::ready) client.ready = true;
    if (step.kind == Dialogue::Step::Kind::reply) {
      --outstanding_;
      const SteadyTime now = std::chrono::steady_clock::now();
      if (now >= end_) return {};
      log_.add(client.sent, now);
      RETURN_IF_ERROR(send_next(client));
    }
  }
}

}  // namespace zeolite::bench
