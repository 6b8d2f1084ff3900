#include "net/address.h"

#include <charconv>

namespace zeolite::net {

namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::size_t kUnixPathMax = 107;  // of sockaddr_un, less its ending zero

Result<std::uint16_t> parse_port(std::string_view text, std::string_view whole) {
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failure != std::errc{} || end != text.data() + text.size()) {
    return make_error(ErrorCode::invalid_argument,
                      "'" + std::string(whole) +
                          "' is not an address: expected HOST:PORT with a port from 0 to 65535");
  }
  return port;
}

}  // namespace

std::string HostPort::to_string() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::string_view host = colon == std::string_view::npos ? "" : text.substr(0, colon);
  const std::string_view port_text =
      colon == std::string_view::npos ? text : text.substr(colon + 1);
  ASSIGN_OR_RETURN(const std::uint16_t port, parse_port(port_text, text));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return make_error(ErrorCode::invalid_argument,
                      "'" + std::string(text) +
                          "' is not an address: put an IPv6 address in brackets, [::1]:8090");
  }
  return HostPort{host.empty() ? "127.0.0.1" : std::string(host), port};
}

Result<std::vector<HostPort>> parse_host_ports(std::string_view text) {
  std::vector<HostPort> result;
  while (true) {
    const std::size_t comma = text.find(',');
    ASSIGN_OR_RETURN(HostPort item, parse_host_port(text.substr(0, comma)));
    result.push_back(std::move(item));
    if (comma == std::string_view::npos) return result;
    text.remove_prefix(comma + 1);
  }
}

std::string ListenAddress::to_string() const {
  return unix_path.empty() ? tcp.to_string() : std::string(kUnixPrefix) + unix_path;
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  if (!text.starts_with(kUnixPrefix)) return parse_host_port(text);
  ListenAddress result;
  result.unix_path = text.substr(kUnixPrefix.size());
  if (result.unix_path.empty() || result.unix_path.size() > kUnixPathMax) {
    return make_error(ErrorCode::invalid_argument,
                      "'" + std::string(text) + "' is not an address: the path of a Unix socket " +
                          "has 1 to " + std::to_string(kUnixPathMax) + " bytes");
  }
  return result;
}

Result<std::vector<boost::asio::ip::tcp::endpoint>> resolve(boost::asio::io_context& context,
                                                            const HostPort& address) {
  boost::asio::ip::tcp::resolver resolver(context);
  boost::system::error_code error;
  const auto results = resolver.resolve(address.host, std::to_string(address.port), error);
  if (error || results.empty()) {
    return make_error(ErrorCode::unavailable,
                      "host '" + address.host + "' has no address: " + error.message());
  }
  std::vector<boost::asio::ip::tcp::endpoint> endpoints;
  for (const auto& entry : results) endpoints.push_back(entry.endpoint());
  return endpoints;
}

}  // namespace zeolite::net
