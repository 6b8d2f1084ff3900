#include "bench/load_generator/postgres_dialogue.h"

#include <cstdint>

#include "base/bytes.h"

namespace zeolite::bench {
namespace {

constexpr std::uint32_t kProtocol = 3U << 16;
constexpr std::string_view kUpdate = "UPDATE record SET tid = $2, data = $3 WHERE oid = $1";
constexpr std::string_view kSelect = "SELECT tid, data FROM record WHERE oid = $1";

void put_text(std::string& out, std::string_view text) {
  out += text;
  out += '\0';
}

// One message: its type and a length that counts itself but not the type.
void put_message(std::string& out, char type, std::string_view body) {
  out += type;
  put_u32(out, static_cast<std::uint32_t>(body.size() + 4));
  out += body;
}

void put_value(std::string& out, std::string_view bytes) {
  put_u32(out, static_cast<std::uint32_t>(bytes.size()));
  out += bytes;
}

void put_bigint_value(std::string& out, std::uint64_t value) {
  put_u32(out, 8);
  put_u64(out, value);
}

// The message text of an ErrorResponse: its field M.
std::string error_text(std::string_view fields) {
  while (!fields.empty() && fields.front() != '\0') {
    const std::size_t end = fields.find('\0');
    if (end == std::string_view::npos) break;
    if (fields.front() == 'M') return std::string(fields.substr(1, end - 1));
    fields.remove_prefix(end + 1);
  }
  return "an error without a message";
}

}  // namespace

void PostgresDialogue::begin(std::string& out) {
  std::string body;
  put_u32(body, kProtocol);
  put_text(body, "user");
  put_text(body, user_);
  put_text(body, "database");
  put_text(body, database_);
  body += '\0';
  put_u32(out, static_cast<std::uint32_t>(body.size() + 4));
  out += body;

  // The server reads this after authentication; its ReadyForQuery is the second one.
  std::string parse;
  put_text(parse, "s");
  put_text(parse, work_ == Work::commit ? kUpdate : kSelect);
  put_u16(parse, 0);
  put_message(out, 'P', parse);
  put_message(out, 'S', {});
}

void PostgresDialogue::request(std::string& out) {
  std::string bind;
  put_text(bind, {});  // unnamed portal
  put_text(bind, "s");
  put_u16(bind, 1);
  put_u16(bind, 1);  // all parameters are binary
  const std::uint64_t oid = choice_.next_oid();
  if (work_ == Work::commit) {
    put_u16(bind, 3);
    put_bigint_value(bind, oid);
    const std::string& record = choice_.next_record();
    put_bigint_value(bind, choice_.serial());
    put_value(bind, record);
  } else {
    put_u16(bind, 1);
    put_bigint_value(bind, oid);
  }
  put_u16(bind, 1);
  put_u16(bind, 1);  // all results are binary
  put_message(out, 'B', bind);

  std::string execute;
  put_text(execute, {});
  put_u32(execute, 0);  // all rows
  put_message(out, 'E', execute);
  put_message(out, 'S', {});
}

Dialogue::Step PostgresDialogue::advance(std::string_view received) {
  constexpr std::size_t kHead = 5;
  if (received.size() < kHead) return {};
  const std::size_t total = 1 + std::size_t{get_u32(received.data() + 1)};
  if (received.size() < total) return {};
  const std::string_view body = received.substr(kHead, total - kHead);
  switch (received.front()) {
    case 'E':
      return {Step::Kind::failed, 0, "PostgreSQL: " + error_text(body)};
    case 'R':
      if (get_u32(body.data()) != 0)
        return {Step::Kind::failed, 0, "PostgreSQL wants a password; trust is expected"};
      break;
    case 'C':
      wrong_row_count_ = !body.starts_with("UPDATE 1") && !body.starts_with("SELECT 1");
      break;
    case 'Z':
      if (wrong_row_count_) return {Step::Kind::failed, 0, "PostgreSQL has no row for an oid"};
      if (set_ups_left_ == 0) return {Step::Kind::reply, total, {}};
      if (--set_ups_left_ == 0) return {Step::Kind::ready, total, {}};
      break;
    default:
      break;
  }
  return {Step::Kind::skipped, total, {}};
}

}  // namespace zeolite::bench
