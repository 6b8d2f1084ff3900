#include "net/address.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace zeolite::net {
namespace {

struct Accepted {
  const char* text;
  const char* host;
  std::uint16_t port;
  const char* shown;
};

TEST(Address, AcceptsItsForms) {
  const Accepted table[] = {
      {"example.org:8090", "example.org", 8090, "example.org:8090"},
      {"10.0.0.1:1", "10.0.0.1", 1, "10.0.0.1:1"},
      {"[::1]:8090", "::1", 8090, "[::1]:8090"},
      {"[fe80::1%eth0]:65535", "fe80::1%eth0", 65535, "[fe80::1%eth0]:65535"},
      {":8090", "127.0.0.1", 8090, "127.0.0.1:8090"},
      {"8090", "127.0.0.1", 8090, "127.0.0.1:8090"},
      {"0", "127.0.0.1", 0, "127.0.0.1:0"},
      {"host:0", "host", 0, "host:0"},
  };
  for (const Accepted& row : table) {
    const Result<HostPort> parsed = parse_host_port(row.text);
    ASSERT_TRUE(parsed) << row.text;
    EXPECT_EQ(parsed->host, row.host) << row.text;
    EXPECT_EQ(parsed->port, row.port) << row.text;
    EXPECT_EQ(parsed->to_string(), row.shown) << row.text;
  }
}

TEST(Address, RefusesEverythingElseAndQuotesIt) {
  for (const char* text :
       {"", ":", "host", "host:", "host:x", "host:80x", "host: 80", "host:-1", "host:+1",
        "host:65536", "host:99999999999", "[::1]", "80 ", "[host:80", "host]:80"}) {
    const Result<HostPort> parsed = parse_host_port(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_NE(parsed.error().detail.find("'" + std::string(text) + "'"), std::string::npos) << text;
  }
}

TEST(Address, AsksForBracketsAroundAnIpv6Address) {
  for (const char* text : {"::1", "::1:8090", "fe80::1:80", "a:b:80"}) {
    const Result<HostPort> parsed = parse_host_port(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument) << text;
    EXPECT_NE(parsed.error().detail.find("brackets"), std::string::npos) << text;
  }
}

TEST(Address, ListsAreSeparatedByCommas) {
  const auto parsed = parse_host_ports("a:1,[::1]:2,3");
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->size(), 3U);
  EXPECT_EQ((*parsed)[0].to_string(), "a:1");
  EXPECT_EQ((*parsed)[1].to_string(), "[::1]:2");
  EXPECT_EQ((*parsed)[2].to_string(), "127.0.0.1:3");
}

TEST(Address, ListsHaveNoEmptyItems) {
  for (const char* text : {"", ",", "a:1,", ",a:1", "a:1,,b:2"}) {
    EXPECT_FALSE(parse_host_ports(text)) << text;
  }
}

TEST(Address, ResolvesNumbers) {
  boost::asio::io_context context;
  const auto endpoints = resolve(context, {"127.0.0.1", 8090});
  ASSERT_TRUE(endpoints);
  EXPECT_EQ(endpoints->front().port(), 8090);
  EXPECT_TRUE(endpoints->front().address().is_loopback());
}

TEST(Address, AHostThatCannotBeIsUnavailable) {
  boost::asio::io_context context;
  const auto endpoints = resolve(context, {"no host has spaces", 1});
  ASSERT_FALSE(endpoints);
  EXPECT_EQ(endpoints.error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace zeolite::net
