// Opens many connections to a Zeolite server and holds them until standard input ends, so that
// the server's memory can be read from outside. See bench/README.md.

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "bench/load_generator/closed_loop.h"
#include "wire/codec.h"
#include "wire/frame.h"
#include "wire/messages.h"

namespace zeolite::bench {
namespace {

Result<> send_hello(int fd, std::uint32_t serial) {
  wire::Hello hello;
  hello.label = "idle";
  std::memcpy(hello.session.data(), &serial, sizeof serial);
  hello.session.back() = 1;  // an all-zero session means none
  std::string out;
  wire::encode(hello, 1, out);
  if (::send(fd, out.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size()))
    return make_error(ErrorCode::io_error, std::string("send: ") + std::strerror(errno));
  return {};
}

// Waits for the server's welcome.
Result<> receive_welcome(int fd) {
  wire::FrameDecoder decoder(wire::kHandshakeBodyMax);
  for (;;) {
    std::array<char, 4096> buffer;
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) return make_error(ErrorCode::unavailable, "closed during the handshake");
    decoder.feed(Bytes::copy_of({buffer.data(), static_cast<std::size_t>(n)}));
    ASSIGN_OR_RETURN(const auto frame, decoder.next());
    if (!frame) continue;
    if (frame->type == static_cast<std::uint8_t>(wire::MessageType::welcome)) return {};
    return make_error(ErrorCode::protocol_error, "no welcome from the server");
  }
}

// The process's limit of open files, raised as far as it may.
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<> hold(const std::string& at, std::uint32_t connections, bool handshake) {
  raise_file_limit();
  ASSIGN_OR_RETURN(const Address address, parse_address(at));
  std::vector<int> open;
  for (std::uint32_t i = 0; i < connections; ++i) {
    ASSIGN_OR_RETURN(const int fd, connect_to(address));
    open.push_back(fd);  // closed when the process ends
    if (!handshake) continue;
    RETURN_IF_ERROR(send_hello(fd, i));
    RETURN_IF_ERROR(receive_welcome(fd));
  }
  std::cout << "connected " << open.size() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) continue;
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("Holds idle connections to a Zeolite server until standard input ends.");
  std::string at;
  std::uint32_t connections = 2000;
  bool no_handshake = false;
  app.add_option("--at", at, "HOST:PORT of the native port")->required();
  app.add_option("--connections", connections)->check(CLI::Range(1, 60'000));
  app.add_flag("--no-handshake", no_handshake, "Connect only, say nothing");
  CLI11_PARSE(app, argc, argv);
  const Result<> done = hold(at, connections, !no_handshake);
  if (done) return 0;
  std::cerr << "idle_connections: " << done.error().detail << '\n';
  return 1;
}

}  // namespace
}  // namespace zeolite::bench

int main(int argc, char** argv) { return zeolite::bench::run(argc, argv); }
