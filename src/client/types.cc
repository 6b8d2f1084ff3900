#include "zeolite/types.h"

#include "client/error_mapping.h"
#include "model/ids.h"
#include "model/tid_time.h"

namespace zeolite::client {
inline namespace v1 {

std::string to_string(Oid oid) { return to_hex(client_core::internal(oid)); }
std::string to_string(Tid tid) { return to_hex(client_core::internal(tid)); }

std::optional<Oid> parse_oid(std::string_view text) {
  const std::optional<std::uint64_t> value = parse_hex_u64(text);
  return value ? std::optional(Oid{*value}) : std::nullopt;
}

std::optional<Tid> parse_tid(std::string_view text) {
  const std::optional<std::uint64_t> value = parse_hex_u64(text);
  return value ? std::optional(Tid{*value}) : std::nullopt;
}

std::chrono::system_clock::time_point time_of(Tid tid) {
  return std::chrono::system_clock::time_point(
      std::chrono::microseconds(time_of_tid(client_core::internal(tid)).unix_us));
}

std::string to_string(const CommitId& id) {
  return to_hex(Id128(id.session)) + "-" + to_string(Oid{id.number}) + "-" + to_string(id.begun);
}

std::optional<CommitId> parse_commit_id(std::string_view text) {
  const std::size_t first = text.find('-');
  const std::size_t second = text.find('-', first == text.npos ? text.npos : first + 1);
  if (second == text.npos) return std::nullopt;
  const std::optional<std::string> session = from_hex(text.substr(0, first));
  const std::optional<std::uint64_t> number =
      parse_hex_u64(text.substr(first + 1, second - first - 1));
  const std::optional<Tid> begun = parse_tid(text.substr(second + 1));
  if (!session || session->size() != 16 || !number || !begun) return std::nullopt;
  return CommitId{id128_from(*session), *number, *begun};
}

}  // namespace v1
}  // namespace zeolite::client
