#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace zeolite::net {

// Where to connect to or listen on.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  // "host:port", with brackets around an IPv6 address.
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Accepts "host:port", "[v6]:port", ":port" (host 127.0.0.1), "port". Error invalid_argument
// quotes the text and says what is expected.
[[nodiscard]] Result<HostPort> parse_host_port(std::string_view text);

// The same for a list: items separated by commas; at least one.
[[nodiscard]] Result<std::vector<HostPort>> parse_host_ports(std::string_view text);

// Where a server listens: a TCP address, or the path of a Unix socket.
struct ListenAddress {
  HostPort tcp;
  std::string unix_path;  // empty: tcp counts

  ListenAddress() = default;
  ListenAddress(HostPort address) : tcp(std::move(address)) {}

  // "host:port" or "unix:/path".
  [[nodiscard]] std::string to_string() const;
};

// Accepts what parse_host_port accepts, and "unix:PATH" with a path of 1 to 107 bytes.
[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view text);

// Looks the host up; waits for the resolver. Error unavailable when it has no address.
[[nodiscard]] Result<std::vector<boost::asio::ip::tcp::endpoint>> resolve(
    boost::asio::io_context& context, const HostPort& address);

}  // namespace zeolite::net
