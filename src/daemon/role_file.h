#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace zeolite::daemon {

// What a node without an election became by command, so that a restart with the same settings does
// not undo it: a standby that was promoted begins as the primary, a primary that handed over as a
// standby. With other settings than those it was decided under, the settings count; but a standby
// whose setting is gone stays one.
// Also kept for a primary that has standbys, and for a standby that has followed.
struct RoleDecision {
  std::string configured{};  // the address of --standby-of then; empty: none
  bool leads = false;
  std::string follows{};  // address; empty: nobody is known
  // While it led: addresses of its standbys, the newest first. One of them may have been promoted
  // since.
  std::vector<std::string> standbys{};
  friend bool operator==(const RoleDecision&, const RoleDecision&) = default;
};

// The file ROLE in a data directory. Errors: corruption, io_error.
[[nodiscard]] Result<std::optional<RoleDecision>> read_role_file(
    const std::filesystem::path& directory);
// Durable when it returns. Error: io_error.
[[nodiscard]] Result<> write_role_file(const std::filesystem::path& directory,
                                       const RoleDecision& decision);

}  // namespace zeolite::daemon
