#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/divergence_replay.h"
#include "daemon/divergence_file.h"

// How divergence files and their replay are printed; see cli/output.h.
namespace zeolite::cli {

struct ShownDivergence {
  std::filesystem::path file;
  daemon::Divergence content;
};

[[nodiscard]] std::string divergence_text(const ShownDivergence& divergence);
[[nodiscard]] std::string divergences_json(const std::vector<ShownDivergence>& divergences);

[[nodiscard]] std::string replay_text(const ReplayReport& report);
[[nodiscard]] std::string replay_json(const ReplayReport& report);

}  // namespace zeolite::cli
