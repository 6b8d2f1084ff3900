#include "cli/divergence_command.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cli/divergence_output.h"
#include "cli/divergence_replay.h"
#include "cli/native_session.h"
#include "cli/output.h"
#include "cli/process.h"
#include "daemon/divergence_file.h"

namespace zeolite::cli {
namespace {

namespace fs = std::filesystem;
using Item = ReplayReport::Item;

// A commit may wait for locks, and for a standby.
constexpr Duration kCommitTimeout = std::chrono::seconds(60);
constexpr std::size_t kSessionsMax = 16;

// The file, or those in the directory: the oldest reign first, as the names are made.
Result<std::vector<fs::path>> divergence_files(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::vector<fs::path>{path};
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".zdiv") files.push_back(entry->path());
  }
  if (error)
    return make_error(ErrorCode::io_error, "read " + path.string() + ": " + error.message());
  std::ranges::sort(files, {}, [](const fs::path& file) {
    const std::string name = file.filename().string();
    return std::pair(name.find('-'), name);  // epochs are not padded
  });
  return files;
}

Result<> show(const DivergenceOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<fs::path> files, divergence_files(options.path));
  std::vector<ShownDivergence> shown;
  for (const fs::path& file : files) {
    ASSIGN_OR_RETURN(daemon::Divergence content, daemon::read_divergence_file(file));
    shown.push_back({file, std::move(content)});
  }
  if (options.json) return print(divergences_json(shown));
  if (shown.empty()) return print("no transactions were undone: there are no such files\n");
  for (const ShownDivergence& divergence : shown)
    RETURN_IF_ERROR(print(divergence_text(divergence)));
  return {};
}

// Carries out a replay at a server, one transaction after the other.
class Replayer {
 public:
  Replayer(const DivergenceOptions& options, const daemon::Divergence& divergence)
      : options_(options),
        divergence_(divergence),
        replay_(divergence.ancestor, divergence.records) {
    report_.dry_run = options.dry_run;
  }

  // Until the end, or an error of which nobody can say what it is about: the report tells how far.
  [[nodiscard]] Result<> run() {
    for (const TransactionRecord& record : divergence_.records) {
      if (record.kind != RecordKind::transaction) continue;
      ASSIGN_OR_RETURN(Item item, replay(record));
      item.tid = record.tid;
      if (item.outcome == Item::Outcome::left_out) {
        replay_.left_out(record);
      } else {
        replay_.committed(record, item.new_tid);
      }
      if (options_.dry_run) item.new_tid = kNoTid;
      report_.items.push_back(std::move(item));
    }
    return {};
  }
  [[nodiscard]] const ReplayReport& report() const { return report_; }

 private:
  static Item leave_out(std::string why) {
    return {.outcome = Item::Outcome::left_out, .tid = {}, .new_tid = {}, .why = std::move(why)};
  }

  // The connection whose commits are those of `id`. Valid until the next call.
  Result<NativeSession*> session(const SessionId& id) {
    const auto found = sessions_.find(id);
    if (found != sessions_.end()) return found->second.get();
    if (sessions_.size() >= kSessionsMax) sessions_.clear();
    NativeSession::Options options{.primary_only = true};
    options.session = id;
    ASSIGN_OR_RETURN(std::unique_ptr<NativeSession> opened,
                     NativeSession::open(options_.target, options));
    return sessions_.emplace(id, std::move(opened)).first->second.get();
  }

  Result<Item> replay(const TransactionRecord& record) {
    const CommitId id = replay_.commit_id_of(record);
    const auto load = [this, &id](Oid oid, Tid tid) -> Result<Bytes> {
      ASSIGN_OR_RETURN(NativeSession * connection, session(id.session));
      ASSIGN_OR_RETURN(wire::Loaded loaded,
                       connection->ask<wire::Loaded>(wire::LoadSerial{oid, tid}));
      if (loaded.status == wire::LoadedStatus::found) return std::move(loaded.data);
      return make_error(ErrorCode::not_found, "it is gone");
    };
    ASSIGN_OR_RETURN(DivergenceReplay::Prepared prepared, replay_.prepare(record, load));
    if (!prepared) return leave_out(std::move(prepared).error());
    ASSIGN_OR_RETURN(NativeSession * connection, session(id.session));
    if (options_.dry_run) return try_out(*connection, record, *prepared);
    wire::Commit commit;
    commit.number = id.number;
    commit.begun = connection->welcome().visible.tid;
    commit.metadata = record.metadata;
    commit.writes = *std::move(prepared);
    return send(*connection, std::move(commit));
  }

  Result<Item> send(NativeSession& connection, wire::Commit commit) {
    const Tid before = connection.welcome().visible.tid;
    std::vector<wire::Message> frames =
        replay_frames(std::move(commit), connection.welcome().body_max);
    for (const wire::Message& frame : frames) {
      if (const auto* stage = std::get_if<wire::Stage>(&frame)) connection.tell(*stage);
    }
    const std::uint32_t request = connection.start(std::get<wire::Commit>(frames.back()));
    ASSIGN_OR_RETURN(
        const wire::Message answer,
        connection.finish_any(request, options_.target.timeout.value_or(kCommitTimeout)));
    if (const auto* committed = std::get_if<wire::Committed>(&answer)) {
      // Before the connection was there: by an earlier replay, or by the client itself.
      const bool earlier = committed->tid <= before;
      return Item{.outcome = earlier ? Item::Outcome::present : Item::Outcome::replayed,
                  .tid = {},
                  .new_tid = committed->tid,
                  .why = {}};
    }
    if (const auto* conflicted = std::get_if<wire::Conflicted>(&answer)) {
      return leave_out(conflict_text(conflicted->conflicts));
    }
    if (const auto* failed = std::get_if<wire::ErrorReply>(&answer)) return judge(failed->error);
    return make_error(ErrorCode::protocol_error, "unexpected reply");
  }

  // Errors that are about the transaction alone, and remain.
  static Result<Item> judge(const Error& error) {
    switch (error.code) {
      case ErrorCode::aborted:
        return leave_out("its client was told that it was not committed");
      case ErrorCode::conflict:
      case ErrorCode::invalid_argument:
        return leave_out(error.detail);
      default:
        return std::unexpected(error);
    }
  }

  static std::string conflict_text(const std::vector<wire::WireConflict>& conflicts) {
    if (conflicts.empty()) return "it is in conflict with what happened since";
    const wire::WireConflict& first = conflicts.front();
    return conflict_text(first.oid, first.current, first.base);
  }
  static std::string conflict_text(Oid oid, Tid current, Tid base) {
    const auto revision = [](Tid tid) { return tid.is_zero() ? "nothing" : to_hex(tid); };
    return "conflict: object " + to_hex(oid) + " is at " + revision(current) +
           " now, and it was made from " + revision(base);
  }

  // What the server would say, as far as that can be known without committing.
  Result<Item> try_out(NativeSession& connection, const TransactionRecord& record,
                       const std::vector<wire::WireWrite>& writes) {
    for (const wire::WireWrite& write : writes) {
      if (replay_.is_replayed(write.base)) continue;
      ASSIGN_OR_RETURN(const wire::Loaded loaded,
                       connection.ask<wire::Loaded>(wire::Load{.oid = write.oid}));
      const bool there = loaded.status == wire::LoadedStatus::found;
      const Tid current = there ? loaded.tid : kNoTid;
      if (current != write.base) return leave_out(conflict_text(write.oid, current, write.base));
    }
    return Item{.outcome = Item::Outcome::replayed, .tid = {}, .new_tid = record.tid, .why = {}};
  }

  const DivergenceOptions& options_;
  const daemon::Divergence& divergence_;
  DivergenceReplay replay_;
  ReplayReport report_;
  std::map<SessionId, std::unique_ptr<NativeSession>> sessions_;
};

Result<ExitCode> replay(const DivergenceOptions& options) {
  std::error_code ignored;
  if (fs::is_directory(options.path, ignored)) {
    return make_error(ErrorCode::invalid_argument,
                      options.path.string() + " is a directory; name one of the files in it");
  }
  ASSIGN_OR_RETURN(const daemon::Divergence divergence, daemon::read_divergence_file(options.path));
  Replayer replayer(options, divergence);
  Result<> done = replayer.run();
  const ReplayReport& report = replayer.report();
  if (done || !report.items.empty()) {
    RETURN_IF_ERROR(print(options.json ? replay_json(report) : replay_text(report)));
  }
  if (!done) {
    Error error = std::move(done).error();
    if (!report.items.empty()) error.detail += "; run it again for the rest";
    return std::unexpected(std::move(error));
  }
  return report.count(Item::Outcome::left_out) == 0 ? ExitCode::done : ExitCode::failed;
}

}  // namespace

ExitCode run_divergence(const DivergenceOptions& options) {
  if (options.what == DivergenceOptions::What::show) {
    const Result<> shown = show(options);
    return shown ? ExitCode::done : report_failure("divergence", shown.error());
  }
  const Result<ExitCode> replayed = replay(options);
  return replayed ? *replayed : report_failure("divergence", replayed.error());
}

}  // namespace zeolite::cli
