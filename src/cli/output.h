#pragma once

#include <string>
#include <string_view>

#include "cli/bench_run.h"
#include "maintenance/export_filestorage.h"
#include "maintenance/import_filestorage.h"
#include "maintenance/verify_store.h"
#include "model/ids.h"
#include "wire/messages.h"

// How results are printed, for people and as JSON. All texts end with a newline. JSON is one object
// on one line; its keys are a contract with scripts, docs/command-line.md.
namespace zeolite::cli {

// `text` fit for one line of a terminal: control characters and bytes that are not UTF-8 become
// escapes (\n, \x1b); a backslash is doubled.
[[nodiscard]] std::string printable(std::string_view text);

// `text` for JSON, which is UTF-8: bytes that are not become U+FFFD.
[[nodiscard]] std::string json_text(std::string_view text);

[[nodiscard]] std::string status_text(const wire::StatusReport& status);
[[nodiscard]] std::string status_json(const wire::StatusReport& status);

// `loaded.status` must be found.
[[nodiscard]] std::string loaded_json(Oid oid, const wire::Loaded& loaded);

[[nodiscard]] std::string log_text(const wire::LogReply::Item& item);
[[nodiscard]] std::string log_json(const wire::LogReply::Item& item);

[[nodiscard]] std::string verify_text(const wire::VerifyReport& report);
[[nodiscard]] std::string pack_text(const wire::PackReport& report, bool dry_run);
[[nodiscard]] std::string pack_json(const wire::PackReport& report, bool dry_run);
[[nodiscard]] std::string verify_json(const wire::VerifyReport& report);

[[nodiscard]] std::string import_text(const maintenance::ImportReport& report, bool dry_run);
[[nodiscard]] std::string import_json(const maintenance::ImportReport& report, bool dry_run);

[[nodiscard]] std::string export_text(const maintenance::ExportReport& report);
[[nodiscard]] std::string export_json(const maintenance::ExportReport& report);

[[nodiscard]] std::string bench_text(const BenchReport& report);
[[nodiscard]] std::string bench_json(const BenchReport& report);

[[nodiscard]] std::string version_text();
[[nodiscard]] std::string version_json();

// What a server became by `promote`, `switchover` or `demote`.
[[nodiscard]] std::string role_changed_text(const wire::RoleChanged& changed);
[[nodiscard]] std::string role_changed_json(const wire::RoleChanged& changed);

}  // namespace zeolite::cli
