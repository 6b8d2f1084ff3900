#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace zeolite::net {

// Where to connect to or listen on.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  // "host:port", with brackets around an IPv6 address.
  [[nodiscard]] std::string to_string() const;
};

// Accepts "host:port", "[v6]:port", ":port" (host 127.0.0.1), "port". Error invalid_argument
// quotes the text and says what is expected.
[[nodiscard]] Result<HostPort> parse_host_port(std::string_view text);

// The same for a list: items separated by commas; at least one.
[[nodiscard]] Result<std::vector<HostPort>> parse_host_ports(std::string_view text);

// Looks the host up; waits for the resolver. Error unavailable when it has no address.
[[nodiscard]] Result<std::vector<boost::asio::ip::tcp::endpoint>> resolve(
    boost::asio::io_context& context, const HostPort& address);

}  // namespace zeolite::net
