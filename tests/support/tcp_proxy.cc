#include "support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/check.h"

namespace zeolite::testing {
namespace {

// How long a peer that does not read holds up everything else.
constexpr int kWriteTimeoutMs = 5000;
// How long a connection that has used up what it may carry waits; and how much it may save.
constexpr int kRefillMs = 10;
constexpr double kBurstSeconds = 0.05;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool write_all(int to, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t put = ::send(to, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put > 0) {
      data += put;
      size -= static_cast<std::size_t>(put);
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    if (put == 0 || errno != EAGAIN) return false;
    pollfd ready{to, POLLOUT, 0};
    if (::poll(&ready, 1, kWriteTimeoutMs) <= 0) return false;
  }
  return true;
}

}  // namespace

TcpProxy::TcpProxy(std::uint16_t target)
    : target_(target), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  CHECK(::bind(listener_, any, size) == 0 && ::listen(listener_, 64) == 0 &&
            ::getsockname(listener_, any, &size) == 0 && ::pipe(wake_) == 0,
        "a free port can be listened on");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

TcpProxy::~TcpProxy() {
  stop_ = true;
  wake();
  thread_.join();
  for (const Pair& pair : pairs_) {
    ::close(pair.client);
    ::close(pair.target);
  }
  ::close(listener_);
  for (const int end : wake_) ::close(end);
}

void TcpProxy::wake() const {
  const char byte = 0;
  CHECK(::write(wake_[1], &byte, 1) == 1, "the proxy's thread can be woken");
}

void TcpProxy::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void TcpProxy::release() {
  {
    const std::lock_guard lock(mutex_);
    held_ = false;
  }
  wake();
}

void TcpProxy::cut_after(std::optional<std::uint64_t> bytes) {
  const std::lock_guard lock(mutex_);
  cut_after_ = bytes;
}

void TcpProxy::limit(std::optional<std::uint64_t> bytes_per_second) {
  {
    const std::lock_guard lock(mutex_);
    limit_ = bytes_per_second;
    allowance_ = 0;
    refilled_at_ = std::chrono::steady_clock::now();
  }
  wake();
}

// What was not used is lost after a moment: it is not carried at once later.
void TcpProxy::refill() {
  if (!limit_) return;
  const auto now = std::chrono::steady_clock::now();
  const double rate = static_cast<double>(*limit_);
  const double passed =
      std::chrono::duration<double>(now - std::exchange(refilled_at_, now)).count();
  allowance_ = std::min(allowance_ + rate * passed, rate * kBurstSeconds);
}

void TcpProxy::run() {
  while (!stop_) {
    std::vector<pollfd> waited = {{wake_[0], POLLIN, 0}};
    std::vector<Pair*> pairs;
    bool waits_for_more = false;
    {
      const std::lock_guard lock(mutex_);
      refill();
      waits_for_more = !held_ && exhausted();
      if (!held_) {
        waited.push_back({listener_, POLLIN, 0});
        for (Pair& pair : pairs_) {
          pairs.push_back(&pair);
          waited.push_back({pair.client, POLLIN, 0});
          waited.push_back({waits_for_more ? -1 : pair.target, POLLIN, 0});
        }
      }
    }
    if (::poll(waited.data(), waited.size(), waits_for_more ? kRefillMs : -1) < 0) continue;
    std::array<char, 64> woken{};
    if (waited[0].revents != 0 && ::read(wake_[0], woken.data(), woken.size()) < 0) continue;
    const std::lock_guard lock(mutex_);
    if (held_ || waited.size() < 2) continue;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (waited[2 + 2 * i].revents != 0) carry(*pairs[i], false);
      if (waited[3 + 2 * i].revents == 0 || pairs[i]->over || exhausted()) continue;
      carry(*pairs[i], true);
    }
    std::erase_if(pairs_, [](const Pair& pair) { return pair.over; });
    if (waited[1].revents != 0) accept();
  }
}

void TcpProxy::accept() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const int target = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(target_);
  if (::connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(client);
    ::close(target);
    return;
  }
  pairs_.push_back({.client = client, .target = target});
}

void TcpProxy::carry(Pair& pair, bool from_target) {
  std::array<char, 16 * 1024> buffer{};
  std::size_t room = buffer.size();
  const bool may_cut = from_target && cut_after_.has_value();
  if (may_cut) {
    room = static_cast<std::size_t>(
        std::min<std::uint64_t>(room, *cut_after_ - std::min(*cut_after_, pair.from_target)));
  }
  const int from = from_target ? pair.target : pair.client;
  const int to = from_target ? pair.client : pair.target;
  ssize_t got = room == 0 ? 0 : ::recv(from, buffer.data(), room, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const auto size = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  bool over = room > 0 && got <= 0;
  if (!over && size > 0) over = !write_all(to, buffer.data(), size);
  if (from_target) {
    pair.from_target += size;
    carried_ += size;
    allowance_ -= static_cast<double>(size);
  }
  if (may_cut && pair.from_target >= *cut_after_) {
    ++cuts_;
    over = true;
  }
  if (!over) return;
  pair.over = true;
  ::close(pair.client);
  ::close(pair.target);
}

}  // namespace zeolite::testing
