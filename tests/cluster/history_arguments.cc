#include "cluster/history_arguments.h"

#include <charconv>
#include <cstddef>
#include <string_view>
#include <vector>

namespace zeolite::cluster_test {

namespace {

bool parse_number(std::string_view text, std::uint64_t& number) {
  const char* end = text.data() + text.size();
  const auto [stopped, failure] = std::from_chars(text.data(), end, number);
  return failure == std::errc{} && stopped == end;
}

bool take_value(Arguments& arguments, std::string_view name, std::string_view value) {
  if (name == "--connect") {
    arguments.connect = value;
  } else if (name == "--storage") {
    arguments.storage = value;
  } else if (name == "--out") {
    arguments.out = value;
  } else if (name == "--workload") {
    arguments.workload = value;
  } else if (name == "--read-from") {
    arguments.reads_standby = value == "standby";
    return value == "standby" || value == "primary";
  } else if (name == "--seconds") {
    return parse_number(value, arguments.seconds);
  } else if (name == "--clients") {
    return parse_number(value, arguments.clients);
  } else if (name == "--seed") {
    return parse_number(value, arguments.seed);
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<Arguments> parse_arguments(int argc, char** argv) {
  Arguments arguments;
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--final") {
      arguments.final = true;
    } else if (words[i] == "--init") {
      arguments.init = true;
    } else {
      if (i + 1 == words.size() || !take_value(arguments, words[i], words[i + 1])) {
        return std::nullopt;
      }
      ++i;
    }
  }
  const bool known = arguments.workload == "append" || arguments.workload == "bank" ||
                     arguments.workload == "fork";
  const bool complete = !arguments.connect.empty() && !arguments.out.empty() &&
                        arguments.clients > 0 && arguments.clients <= 64;
  if (!complete || (arguments.final ? !arguments.workload.empty() : !known)) return std::nullopt;
  return arguments;
}

}  // namespace zeolite::cluster_test
