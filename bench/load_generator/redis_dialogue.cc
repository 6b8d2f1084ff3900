#include "bench/load_generator/redis_dialogue.h"

#include <charconv>

namespace zeolite::bench {
namespace {

void put_bulk(std::string& out, std::string_view bytes) {
  out += '$';
  out += std::to_string(bytes.size());
  out += "\r\n";
  out += bytes;
  out += "\r\n";
}

}  // namespace

void RedisDialogue::begin(std::string& /*out*/) {}

void RedisDialogue::request(std::string& out) {
  const std::string key = "o" + std::to_string(choice_.next_oid());
  if (work_ == Work::commit) {
    out += "*3\r\n";
    put_bulk(out, "SET");
    put_bulk(out, key);
    put_bulk(out, choice_.next_record());
  } else {
    out += "*2\r\n";
    put_bulk(out, "GET");
    put_bulk(out, key);
  }
}

Dialogue::Step RedisDialogue::advance(std::string_view received) {
  const std::size_t line_end = received.find("\r\n");
  if (line_end == std::string_view::npos) return {};
  const std::string_view line = received.substr(0, line_end);
  if (work_ == Work::commit) {
    if (line == "+OK") return {Step::Kind::reply, line_end + 2, {}};
    return {Step::Kind::failed, 0, "Redis answered SET with " + std::string(line)};
  }
  std::size_t length = 0;
  const auto parsed = std::from_chars(line.data() + 1, line.data() + line.size(), length);
  if (!line.starts_with('$') || parsed.ec != std::errc())
    return {Step::Kind::failed, 0, "Redis answered GET with " + std::string(line)};
  const std::size_t total = line_end + 2 + length + 2;
  if (received.size() < total) return {};
  return {Step::Kind::reply, total, {}};
}

}  // namespace zeolite::bench
