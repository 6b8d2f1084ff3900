#include "cli/output.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <cmath>

#include "daemon/version.h"
#include "model/tid_time.h"

namespace zeolite::cli {

namespace {

namespace json = boost::json;

// Length of the valid UTF-8 character at the front of `text`; 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and beyond the last character.
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) ||
      (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) {
    return 0;
  }
  return length;
}

// C1 control characters (U+0080 to U+009F) are commands to some terminals.
bool is_c1_control(std::string_view character) {
  return character.size() == 2 && character[0] == '\xC2' &&
         static_cast<unsigned char>(character[1]) < 0xA0;
}

std::string line(const json::object& object) { return json::serialize(object) + "\n"; }

std::string_view role_name(wire::NodeRole role) {
  switch (role) {
    case wire::NodeRole::starting:
      return "starting";
    case wire::NodeRole::primary:
      return "primary";
    case wire::NodeRole::standby:
      return "standby";
  }
  return "unknown";
}

std::string_view bench_name(BenchKind kind) {
  switch (kind) {
    case BenchKind::commit:
      return "commit";
    case BenchKind::load:
      return "load";
    case BenchKind::mixed:
      return "mixed";
    case BenchKind::invalidate:
      return "invalidate";
    case BenchKind::ping:
      return "ping";
  }
  return "unknown";
}

// With 1 decimal: tenths of a microsecond are all that the buckets tell apart.
double microseconds(Duration duration) {
  return std::round(static_cast<double>(duration.count()) / 100.0) / 10.0;
}

double per_second(std::uint64_t count, double seconds) {
  return seconds > 0 ? std::round(static_cast<double>(count) / seconds * 10) / 10 : 0;
}

bool has_commits(BenchKind kind) { return kind != BenchKind::load && kind != BenchKind::ping; }

// The latencies that the run is about.
LatencyHistogram main_latency(const BenchReport& report) {
  if (report.kind == BenchKind::invalidate) return report.told_latency;
  LatencyHistogram all = report.commit_latency;
  all.merge(report.load_latency);
  return all;
}

std::string uptime_text(std::uint64_t uptime_ms) {
  const std::uint64_t s = uptime_ms / 1000;
  return fmt::format("{}d {:02}:{:02}:{:02}", s / 86'400, s / 3600 % 24, s / 60 % 60, s % 60);
}

std::string tid_with_time(Tid tid) {
  if (tid.is_zero()) return "none";
  return to_hex(tid) + "  " + format_time(time_of_tid(tid)) + " UTC";
}

}  // namespace

std::string json_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char first = text[0];
    if (first == '\n') {
      out += "\\n";
    } else if (first == '\t') {
      out += "\\t";
    } else if (first == '\\') {
      out += "\\\\";
    } else if (length == 0 || (length == 1 && (first < ' ' || first == '\x7F')) ||
               is_c1_control(text.substr(0, length))) {
      for (const char c : text.substr(0, std::max<std::size_t>(length, 1))) {
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      }
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

namespace {

std::string standby_text(const wire::StatusReport::Standby& standby) {
  std::string text = printable(standby.node);
  if (!standby.address.empty()) text += " (" + printable(standby.address) + ")";
  if (!standby.state.empty()) text += ", " + printable(standby.state);
  if (standby.in_sync) text += ", in sync";
  text += fmt::format(", has {}, {} transactions", to_hex(standby.acknowledged),
                      standby.lag_transactions);
  if (standby.lag_bytes > 0) text += fmt::format(" ({} bytes)", standby.lag_bytes);
  if (standby.lag_ms > 0) text += fmt::format(" and {} ms", standby.lag_ms);
  return text + " behind";
}

// What happened to the standbys that commits wait for, if anything did.
std::string waiting_text(const wire::StatusReport& s) {
  std::string text;
  if (s.blocked) text += "commits wait  no standby is there to confirm them\n";
  if (s.delayed_groups > 0) {
    text += fmt::format("delays       {} times commits waited for a lost standby, {} ms at most\n",
                        s.delayed_groups, s.longest_delay_ms);
  }
  if (s.shown_age_ms > 0) text += fmt::format("age          {} ms\n", s.shown_age_ms);
  return text;
}

std::string primary_text(const wire::StatusReport& s) {
  if (!s.leader.empty()) return printable(s.leader);
  return s.role == wire::NodeRole::primary ? "this node" : "not known";
}

// Only worth a word while it is not kept yet.
std::string promise_text(const wire::StatusReport& s) {
  return s.promised > s.epoch ? fmt::format(" (promised {})", s.promised.value()) : "";
}

}  // namespace

std::string status_text(const wire::StatusReport& s) {
  std::string out = fmt::format(
      "role         {}\nnode         {}\nstorage      {}\nversion      {}\nuptime       {}\n"
      "epoch        {}{}\nlast tid     {}\nvisible tid  {}\nclients      {}\n"
      "under way    {} voted, {} waiting\n"
      "since start  {} commits, {} conflicts, {} aborts, {} loads\n"
      "writes       {}\ndurability   {}\nprimary      {}\n",
      role_name(s.role), printable(s.node), printable(s.storage), printable(s.version),
      uptime_text(s.uptime_ms), s.epoch.value(), promise_text(s), tid_with_time(s.last_tid),
      tid_with_time(s.visible_tid), s.clients, s.voted, s.waiting, s.commits, s.conflicts, s.aborts,
      s.loads, s.accepts_writes ? "accepted" : "refused: " + printable(s.refuses_why),
      s.durability.empty() ? "local" : printable(s.durability), primary_text(s));
  out += waiting_text(s);
  if (s.standbys.empty()) out += "standbys     none\n";
  for (const auto& standby : s.standbys) {
    out += fmt::format("standby      {}\n", standby_text(standby));
  }
  return out;
}

std::string status_json(const wire::StatusReport& s) {
  json::array standbys;
  for (const auto& standby : s.standbys) {
    standbys.push_back(json::object{{"node", json_text(standby.node)},
                                    {"acknowledged_tid", to_hex(standby.acknowledged)},
                                    {"lag_transactions", standby.lag_transactions},
                                    {"lag_ms", standby.lag_ms},
                                    {"state", json_text(standby.state)},
                                    {"in_sync", standby.in_sync},
                                    {"address", json_text(standby.address)},
                                    {"lag_bytes", standby.lag_bytes}});
  }
  return line({{"role", role_name(s.role)},
               {"node", json_text(s.node)},
               {"storage", json_text(s.storage)},
               {"version", json_text(s.version)},
               {"epoch", s.epoch.value()},
               {"last_tid", to_hex(s.last_tid)},
               {"visible_tid", to_hex(s.visible_tid)},
               {"clients", s.clients},
               {"voted", s.voted},
               {"waiting", s.waiting},
               {"commits", s.commits},
               {"conflicts", s.conflicts},
               {"aborts", s.aborts},
               {"loads", s.loads},
               {"uptime_ms", s.uptime_ms},
               {"accepts_writes", s.accepts_writes},
               {"refuses_why", json_text(s.refuses_why)},
               {"standbys", std::move(standbys)},
               {"leader", json_text(s.leader)},
               {"durability", json_text(s.durability)},
               {"promised", s.promised.value()},
               {"sync_changes", s.sync_changes},
               {"delayed_groups", s.delayed_groups},
               {"longest_delay_ms", s.longest_delay_ms},
               {"blocked", s.blocked},
               {"shown_age_ms", s.shown_age_ms}});
}

std::string loaded_json(Oid oid, const wire::Loaded& loaded) {
  json::object object{{"oid", to_hex(oid)},
                      {"tid", to_hex(loaded.tid)},
                      {"end", nullptr},
                      {"size", loaded.data.size()},
                      {"data", to_hex(loaded.data.view())}};
  if (!loaded.end.is_zero()) object["end"] = to_hex(loaded.end);
  return line(object);
}

std::string log_text(const wire::LogReply::Item& item) {
  std::string oids;
  for (const ObjectSummary& object : item.objects) {
    if (!oids.empty()) oids += ',';
    oids += to_hex(object.oid);
  }
  return fmt::format("{}\t{}\t{}\t{}\t{}\n", to_hex(item.tid), format_time(time_of_tid(item.tid)),
                     printable(item.metadata.user), printable(item.metadata.description), oids);
}

std::string log_json(const wire::LogReply::Item& item) {
  json::array oids;
  oids.reserve(item.objects.size());
  for (const ObjectSummary& object : item.objects) oids.emplace_back(to_hex(object.oid));
  return line({{"tid", to_hex(item.tid)},
               {"time", format_time(time_of_tid(item.tid))},
               {"user", json_text(item.metadata.user)},
               {"description", json_text(item.metadata.description)},
               {"extension", to_hex(ByteView(item.metadata.extension))},
               {"status", json_text(std::string_view(&item.status, 1))},
               {"oids", std::move(oids)}});
}

std::string pack_text(const wire::PackReport& report, bool dry_run) {
  if (report.horizon.is_zero())
    return "nothing to do: packed to that time or a later one already\n";
  std::string out = fmt::format(
      "{} {} of {} revisions ({} bytes), {} of {} objects with all of theirs, {} blobs\n"
      "history is kept from {} on\n",
      dry_run ? "would remove" : "removed", report.removed_revisions, report.revisions,
      report.removed_bytes, report.removed_objects, report.objects, report.removed_blobs,
      tid_with_time(report.horizon));
  if (report.garbage_wanted && !report.garbage_collected) {
    out += report.root_missing ? "garbage was not collected: there is no root object\n"
                               : "garbage was not collected: some records could not be read\n";
  }
  for (const std::string& record : report.unreadable)
    out += "unreadable: " + printable(record) + "\n";
  if (report.dangling_count > 0) {
    out += fmt::format("{} objects are referred to and missing:", report.dangling_count);
    for (const Oid oid : report.dangling) out += " " + to_hex(oid);
    out += report.dangling_count > report.dangling.size() ? " ...\n" : "\n";
  }
  return out;
}

std::string pack_json(const wire::PackReport& report, bool dry_run) {
  json::array dangling;
  for (const Oid oid : report.dangling) dangling.emplace_back(to_hex(oid));
  json::array unreadable;
  for (const std::string& record : report.unreadable) unreadable.emplace_back(json_text(record));
  return line({{"dry_run", dry_run},
               {"horizon", to_hex(report.horizon)},
               {"garbage_collected", report.garbage_collected},
               {"objects", report.objects},
               {"revisions", report.revisions},
               {"removed_objects", report.removed_objects},
               {"removed_revisions", report.removed_revisions},
               {"removed_bytes", report.removed_bytes},
               {"removed_blobs", report.removed_blobs},
               {"dangling_count", report.dangling_count},
               {"dangling", std::move(dangling)},
               {"unreadable_count", report.unreadable_count},
               {"unreadable", std::move(unreadable)}});
}

std::string verify_text(const wire::VerifyReport& report) {
  std::string out =
      fmt::format("transactions  {}\nrevisions     {}\nblobs         {}\ndigest        {}\n",
                  report.transactions, report.revisions, report.blobs, printable(report.digest));
  if (report.unscanned > 0) {
    out +=
        fmt::format("note: {} current records are no ZODB records, their references are unknown\n",
                    report.unscanned);
  }
  for (const auto& [from, to] : report.dangling) {
    out += fmt::format("note: object {} refers to {}, which does not exist\n", to_hex(from),
                       to_hex(to));
  }
  if (report.dangling_count > report.dangling.size()) {
    out += fmt::format("note: and {} more references to objects that do not exist\n",
                       report.dangling_count - report.dangling.size());
  }
  for (const std::string& problem : report.problems) out += "damage: " + printable(problem) + "\n";
  out += report.problems.empty() ? "clean\n" : "DAMAGED\n";
  return out;
}

std::string verify_json(const wire::VerifyReport& report) {
  json::array problems;
  for (const std::string& problem : report.problems) problems.emplace_back(json_text(problem));
  json::array dangling;
  for (const auto& [from, to] : report.dangling) {
    dangling.push_back(json::object{{"from", to_hex(from)}, {"to", to_hex(to)}});
  }
  return line({{"transactions", report.transactions},
               {"revisions", report.revisions},
               {"blobs", report.blobs},
               {"digest", report.digest},
               {"clean", report.problems.empty()},
               {"problems", std::move(problems)},
               {"dangling_count", report.dangling_count},
               {"dangling", std::move(dangling)},
               {"unscanned", report.unscanned}});
}

std::string import_text(const maintenance::ImportReport& report, bool dry_run) {
  std::string out = fmt::format("{} {} transactions, {} records, {} bytes of data\n",
                                dry_run ? "would import" : "imported", report.transactions,
                                report.records, report.data_bytes);
  if (report.blobs > 0) {
    out += fmt::format("{} blobs with {} bytes\n", report.blobs, report.blob_bytes);
  }
  if (report.compared_transactions > 0) {
    out += fmt::format("{} transactions were there already, and are the same\n",
                       report.compared_transactions);
  }
  if (report.undone_transactions > 0) {
    out += fmt::format("{} undone transactions were left out\n", report.undone_transactions);
  }
  out += "last transaction " + tid_with_time(report.last_tid) + "\n";
  for (const std::string& warning : report.warnings) out += "warning: " + printable(warning) + "\n";
  return out;
}

std::string import_json(const maintenance::ImportReport& report, bool dry_run) {
  json::array warnings;
  for (const std::string& warning : report.warnings) warnings.emplace_back(json_text(warning));
  return line({{"dry_run", dry_run},
               {"transactions", report.transactions},
               {"records", report.records},
               {"data_bytes", report.data_bytes},
               {"blobs", report.blobs},
               {"blob_bytes", report.blob_bytes},
               {"compared_transactions", report.compared_transactions},
               {"undone_transactions", report.undone_transactions},
               {"repeated_records", report.repeated_records},
               {"last_tid", to_hex(report.last_tid)},
               {"warnings", std::move(warnings)}});
}

std::string export_text(const maintenance::ExportReport& report) {
  std::string out = fmt::format("exported {} transactions, {} records, {} bytes of data\n",
                                report.transactions, report.records, report.data_bytes);
  if (report.packed_records > 0) {
    out += fmt::format("{} more records of them were packed away\n", report.packed_records);
  }
  if (report.blobs > 0) {
    out += fmt::format("{} blobs with {} bytes\n", report.blobs, report.blob_bytes);
  }
  if (report.blobs_left_out > 0) {
    out +=
        fmt::format("warning: {} blob records without their files: no blob directory was given\n",
                    report.blobs_left_out);
  }
  out += fmt::format("wrote {} bytes\n", report.file_bytes);
  return out + "last transaction " + tid_with_time(report.last_tid) + "\n";
}

std::string export_json(const maintenance::ExportReport& report) {
  return line({{"transactions", report.transactions},
               {"records", report.records},
               {"data_bytes", report.data_bytes},
               {"back_pointers", report.back_pointers},
               {"blobs", report.blobs},
               {"blob_bytes", report.blob_bytes},
               {"blobs_left_out", report.blobs_left_out},
               {"file_bytes", report.file_bytes},
               {"packed_records", report.packed_records},
               {"last_tid", to_hex(report.last_tid)}});
}

std::string bench_text(const BenchReport& r) {
  const LatencyHistogram latency = main_latency(r);
  std::string out =
      fmt::format("{}: {} clients, {:.2f} s\n", bench_name(r.kind), r.clients, r.seconds);
  if (has_commits(r.kind)) {
    out += fmt::format("  {:.1f} commits/s\n", per_second(r.commits_in_time, r.seconds));
  }
  if (r.kind == BenchKind::load || r.kind == BenchKind::mixed) {
    out += fmt::format("  {:.1f} loads/s\n", per_second(r.reads_in_time, r.seconds));
  }
  if (r.kind == BenchKind::ping) {
    out += fmt::format("  {:.1f} pings/s\n", per_second(r.reads_in_time, r.seconds));
  }
  out += fmt::format(
      "  {}: p50 {} us, p99 {} us\n"
      "  {} acknowledged, {} conflicts, {} errors, {} unknown\n"
      "  longest time without an acknowledgement {:.1f} ms\n",
      r.kind == BenchKind::invalidate ? "from the answer to the last client told" : "latency",
      microseconds(latency.quantile(0.5)), microseconds(latency.quantile(0.99)), r.acknowledged(),
      r.conflicts, r.errors, r.unknown, microseconds(r.longest_gap) / 1000);
  if (r.reconnects > 0) {
    out += fmt::format("  {} connections lost, {} outcomes asked for\n", r.reconnects, r.resolved);
  }
  if (!r.last_error.empty()) out += "  last error: " + printable(r.last_error) + "\n";
  return out;
}

std::string bench_json(const BenchReport& r) {
  const LatencyHistogram latency = main_latency(r);
  // By hand: Boost.JSON prints every fraction with an exponent.
  std::string out = fmt::format(R"({{"bench":"{}","clients":{},"seconds":{:.3f})",
                                bench_name(r.kind), r.clients, r.seconds);
  const auto number = [&out](std::string_view key, auto value) {
    out += fmt::format(R"(,"{}":{})", key, value);
  };
  if (has_commits(r.kind)) number("commits_per_s", per_second(r.commits_in_time, r.seconds));
  if (r.kind == BenchKind::load || r.kind == BenchKind::mixed) {
    number("loads_per_s", per_second(r.reads_in_time, r.seconds));
  }
  if (r.kind == BenchKind::ping) number("pings_per_s", per_second(r.reads_in_time, r.seconds));
  number("p50_us", microseconds(latency.quantile(0.5)));
  number("p99_us", microseconds(latency.quantile(0.99)));
  if (r.kind == BenchKind::mixed || r.kind == BenchKind::invalidate) {
    number("commit_p50_us", microseconds(r.commit_latency.quantile(0.5)));
    number("commit_p99_us", microseconds(r.commit_latency.quantile(0.99)));
  }
  number("acknowledged", r.acknowledged());
  number("conflicts", r.conflicts);
  number("errors", r.errors);
  number("unknown", r.unknown);
  number("resolved", r.resolved);
  number("reconnects", r.reconnects);
  number("longest_gap_ms", std::round(microseconds(r.longest_gap)) / 1000);
  number("last_error", json::serialize(json::string(json_text(r.last_error))));
  return out + "}\n";
}

std::string version_text() { return fmt::format("zeolite {}\n", daemon::kVersion); }

std::string version_json() { return line({{"version", daemon::kVersion}}); }

std::string role_changed_text(const wire::RoleChanged& changed) {
  return fmt::format("role     {}\nepoch    {}\nprimary  {}\n", role_name(changed.role),
                     changed.epoch.value(),
                     changed.primary.empty() ? "not known" : printable(changed.primary));
}

std::string role_changed_json(const wire::RoleChanged& changed) {
  return line({{"role", role_name(changed.role)},
               {"epoch", changed.epoch.value()},
               {"primary", changed.primary}});
}

}  // namespace zeolite::cli
