#include "bench/load_generator/echo_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>

namespace zeolite::bench {
namespace {

std::unexpected<Error> system_error(const char* what) {
  return make_error(ErrorCode::io_error, std::string(what) + ": " + std::strerror(errno));
}

Result<int> listen_on_free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return system_error("socket");
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof here;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&here), length) != 0 ||
      ::listen(listener, 128) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&here), &length) != 0)
    return system_error("listen");
  std::cerr << "ready 127.0.0.1:" << ntohs(here.sin_port) << std::endl;
  return listener;
}

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

void accept_one(int epoll, int listener) {
  const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  watch(epoll, fd);
}

// Records are small enough that a blocking send of what was just read does not wait.
void echo_once(int fd) {
  std::array<char, 64 * 1024> buffer;
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (n <= 0 || ::send(fd, buffer.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL) != n)
    ::close(fd);
}

}  // namespace

Result<> serve_echo() {
  ASSIGN_OR_RETURN(const int listener, listen_on_free_port());
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return system_error("epoll_create1");
  watch(epoll, listener);
  for (;;) {
    std::array<epoll_event, 128> events;
    const int n = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    if (n < 0 && errno != EINTR) return system_error("epoll_wait");
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener)
        accept_one(epoll, listener);
      else
        echo_once(fd);
    }
  }
}

}  // namespace zeolite::bench
