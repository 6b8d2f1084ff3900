#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "integration/program.h"
#include "support/server_process.h"
#include "support/temporary_directory.h"

// Several servers that follow each other, and what they say of themselves.
namespace zeolite::testing {

inline bool wait_until(const std::function<bool()>& condition,
                       std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

// What a command printed with --json; empty: that was none.
inline boost::json::object json_of(const ProgramResult& result) {
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(result.out, error);
  return value.is_object() ? value.as_object() : boost::json::object();
}

inline boost::json::object status(const ServerProcess& server) {
  return json_of(zeolite({"status", "--json", "--at", server.address()}));
}

inline std::string text_of(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

inline std::string role(const ServerProcess& server) { return text_of(status(server), "role"); }

// Whether a standby of `primary` is in sync.
inline bool in_sync(const ServerProcess& primary) {
  const boost::json::object object = status(primary);
  const boost::json::value* standbys = object.if_contains("standbys");
  if (standbys == nullptr || !standbys->is_array()) return false;
  for (const boost::json::value& standby : standbys->as_array()) {
    const boost::json::value* value = standby.as_object().if_contains("in_sync");
    if (value != nullptr && value->is_bool() && value->as_bool()) return true;
  }
  return false;
}

inline std::string digest(const ServerProcess& server) {
  const ProgramResult result = zeolite({"verify", "--json", "--at", server.address()});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.error;
  return text_of(json_of(result), "digest");
}

inline bool same_end(const ServerProcess& a, const ServerProcess& b) {
  const std::string end = text_of(status(a), "last_tid");
  return !end.empty() && end == text_of(status(b), "visible_tid");
}

// A primary and the standby that follows it.
struct ServerPair {
  std::unique_ptr<ServerProcess> primary;
  std::unique_ptr<ServerProcess> standby;
};

class ClusterTest : public ::testing::Test {
 protected:
  // Servers `a` and `b`, where `b` follows `a` and is in sync. Nothing, and the test has failed,
  // when they do not come to that. `suffix` is of their names, `more` the options of `a`.
  std::optional<ServerPair> start_pair(const std::string& suffix = {},
                                       std::vector<std::string> more = {}) {
    ServerPair pair;
    pair.primary = std::make_unique<ServerProcess>(options("a" + suffix, std::move(more)));
    if (!pair.primary->start()) {
      ADD_FAILURE() << pair.primary->standard_error();
      return std::nullopt;
    }
    pair.standby =
        std::make_unique<ServerProcess>(options("b" + suffix, standby_of(*pair.primary)));
    if (!pair.standby->start() || !wait_until([&] { return in_sync(*pair.primary); })) {
      ADD_FAILURE() << pair.primary->standard_error() << pair.standby->standard_error();
      return std::nullopt;
    }
    return pair;
  }
  ServerProcess::Options options(const std::string& name, std::vector<std::string> more = {}) {
    ServerProcess::Options options;
    options.program = ZEOLITE_PROGRAM;
    options.data = directory_ / name;
    options.arguments = {"--name", name};
    options.arguments.insert(options.arguments.end(), more.begin(), more.end());
    return options;
  }
  static std::vector<std::string> standby_of(const ServerProcess& server) {
    return {"--standby-of", server.address()};
  }

  TemporaryDirectory directory_;
};

}  // namespace zeolite::testing
