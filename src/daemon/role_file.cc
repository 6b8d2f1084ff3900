#include "daemon/role_file.h"

#include <sstream>

#include "storage/file_descriptor.h"

namespace zeolite::daemon {
namespace {

constexpr const char* kName = "ROLE";
constexpr std::string_view kFirstLine = "zeolite role 1";

std::optional<std::string> after(const std::string& line, std::string_view key) {
  if (!line.starts_with(key)) return std::nullopt;
  return line.substr(key.size());
}

}  // namespace

Result<std::optional<RoleDecision>> read_role_file(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kName;
  ASSIGN_OR_RETURN(const std::optional<std::string> text, storage::read_small_file(path));
  if (!text) return std::nullopt;
  std::istringstream lines(*text);
  std::string first;
  std::string configured;
  std::string role;
  std::string follows;
  std::string standby;
  std::getline(lines, first);
  std::getline(lines, configured);
  std::getline(lines, role);
  std::getline(lines, follows);
  const auto configured_value = after(configured, "configured ");
  const auto role_value = after(role, "role ");
  const auto follows_value = after(follows, "follows ");
  const bool known = role_value && (*role_value == "primary" || *role_value == "standby");
  if (first != kFirstLine || !configured_value || !follows_value || !known) {
    return make_error(ErrorCode::corruption,
                      path.string() +
                          " is damaged; remove it, and say with --standby-of what this "
                          "server is to be");
  }
  RoleDecision decision{*configured_value, *role_value == "primary", *follows_value};
  while (std::getline(lines, standby)) {
    if (const auto address = after(standby, "standby ")) decision.standbys.push_back(*address);
  }
  return decision;
}

Result<> write_role_file(const std::filesystem::path& directory, const RoleDecision& decision) {
  std::string text(kFirstLine);
  text += "\nconfigured " + decision.configured;
  text += std::string("\nrole ") + (decision.leads ? "primary" : "standby");
  text += "\nfollows " + decision.follows + "\n";
  for (const std::string& address : decision.standbys) text += "standby " + address + "\n";
  return storage::replace_file(directory / kName, text);
}

}  // namespace zeolite::daemon
