#include "cli/divergence_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string_view>

#include "cli/output.h"
#include "model/tid_time.h"

namespace zeolite::cli {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

std::string_view record_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::transaction:
      return "transaction";
    case RecordKind::epoch:
      return "epoch";
    case RecordKind::oids:
      return "oids";
    case RecordKind::tombstone:
      return "tombstone";
    case RecordKind::pack:
      return "pack";
    case RecordKind::removal:
      return "removal";
  }
  return "unknown";
}

std::string_view write_name(RevisionKind kind) {
  switch (kind) {
    case RevisionKind::data:
      return "data";
    case RevisionKind::back_pointer:
      return "undo";
    case RevisionKind::deletion:
      return "deletion";
  }
  return "unknown";
}

std::string time_text(Tid tid) { return format_time(time_of_tid(tid)); }

// Of the object at `tid`, in `file`; null when the write has none, or it is not there.
json::value blob_file(const fs::path& file, const ObjectWrite& write, Tid tid) {
  if (!write.blob) return nullptr;
  const fs::path kept = daemon::blob_beside(file, write.oid, tid);
  std::error_code ignored;
  if (!fs::exists(kept, ignored)) return nullptr;
  return json::value(json_text(kept.string()));
}

std::string blob_text(const fs::path& file, const ObjectWrite& write, Tid tid) {
  if (!write.blob) return {};
  const json::value kept = blob_file(file, write, tid);
  return fmt::format(", a blob of {} bytes", write.blob->size) +
         (kept.is_string() ? " in " + printable(std::string(kept.as_string())) : ", not kept");
}

std::string write_text(const fs::path& file, const ObjectWrite& write, Tid tid) {
  std::string text = "    " + to_hex(write.oid);
  switch (write.kind) {
    case RevisionKind::data:
      text += fmt::format("  {} bytes", write.data.size());
      break;
    case RevisionKind::back_pointer:
      text += "  undo, back to " + to_hex(write.back);
      break;
    case RevisionKind::deletion:
      text += "  deleted";
      break;
  }
  text += blob_text(file, write, tid);
  return text + (write.previous.is_zero() ? ", new" : ", was " + to_hex(write.previous)) + "\n";
}

std::string record_text(const fs::path& file, const TransactionRecord& record) {
  std::string text = fmt::format("{}  {}  {}", to_hex(record.tid), time_text(record.tid),
                                 record_name(record.kind));
  if (record.kind == RecordKind::pack) {
    text += " as of " + time_text(record.pack_horizon);
  } else if (record.kind == RecordKind::removal) {
    text += fmt::format(" of {} packed revisions", record.removed.size());
  } else if (record.kind == RecordKind::epoch) {
    text += fmt::format(" {} begins", record.epoch.value());
  } else if (record.kind == RecordKind::transaction) {
    text += fmt::format("  user '{}'  '{}'", printable(record.metadata.user),
                        printable(record.metadata.description));
  }
  text += "\n";
  for (const ObjectWrite& write : record.writes) text += write_text(file, write, record.tid);
  return text;
}

json::object write_object(const fs::path& file, const ObjectWrite& write, Tid tid) {
  json::object object{{"oid", to_hex(write.oid)},       {"previous", to_hex(write.previous)},
                      {"kind", write_name(write.kind)}, {"size", write.data.size()},
                      {"blob_size", nullptr},           {"blob_file", blob_file(file, write, tid)}};
  if (write.blob) object["blob_size"] = write.blob->size;
  return object;
}

json::object record_object(const fs::path& file, const TransactionRecord& record) {
  json::array objects;
  for (const ObjectWrite& write : record.writes) {
    objects.emplace_back(write_object(file, write, record.tid));
  }
  json::object object{{"kind", record_name(record.kind)},
                      {"tid", to_hex(record.tid)},
                      {"time", time_text(record.tid)},
                      {"epoch", record.epoch.value()},
                      {"user", json_text(record.metadata.user)},
                      {"description", json_text(record.metadata.description)},
                      {"extension", to_hex(ByteView(record.metadata.extension))},
                      {"objects", std::move(objects)},
                      {"pack_horizon", nullptr}};
  if (record.kind == RecordKind::pack) object["pack_horizon"] = to_hex(record.pack_horizon);
  return object;
}

std::size_t count_transactions(const daemon::Divergence& divergence) {
  return static_cast<std::size_t>(
      std::ranges::count(divergence.records, RecordKind::transaction, &TransactionRecord::kind));
}

std::string_view outcome_name(ReplayReport::Item::Outcome outcome) {
  using Outcome = ReplayReport::Item::Outcome;
  switch (outcome) {
    case Outcome::replayed:
      return "replayed";
    case Outcome::present:
      return "present";
    case Outcome::left_out:
      return "left_out";
  }
  return "unknown";
}

std::string item_text(const ReplayReport::Item& item, bool dry_run) {
  using Outcome = ReplayReport::Item::Outcome;
  switch (item.outcome) {
    case Outcome::replayed:
      return dry_run ? "would be replayed" : "replayed as " + to_hex(item.new_tid);
    case Outcome::present:
      return "is there already, as " + to_hex(item.new_tid);
    case Outcome::left_out:
      return "left out: " + printable(item.why);
  }
  return "unknown";
}

}  // namespace

std::string divergence_text(const ShownDivergence& divergence) {
  const daemon::Divergence& content = divergence.content;
  const Position& from = content.ancestor;
  std::string text = fmt::format(
      "{}\n{} transactions, {} records of the server's own; the histories part after {}\n",
      printable(divergence.file.string()), count_transactions(content),
      content.records.size() - count_transactions(content),
      from.tid.is_zero() ? "nothing"
                         : fmt::format("{} ({} UTC) of epoch {}", to_hex(from.tid),
                                       time_text(from.tid), from.epoch.value()));
  for (const TransactionRecord& record : content.records)
    text += record_text(divergence.file, record);
  return text;
}

std::string divergences_json(const std::vector<ShownDivergence>& divergences) {
  json::array files;
  for (const ShownDivergence& divergence : divergences) {
    json::array records;
    for (const TransactionRecord& record : divergence.content.records) {
      records.emplace_back(record_object(divergence.file, record));
    }
    files.emplace_back(json::object{{"file", json_text(divergence.file.string())},
                                    {"ancestor_epoch", divergence.content.ancestor.epoch.value()},
                                    {"ancestor_tid", to_hex(divergence.content.ancestor.tid)},
                                    {"transactions", count_transactions(divergence.content)},
                                    {"records", std::move(records)}});
  }
  return json::serialize(json::object{{"files", std::move(files)}}) + "\n";
}

std::string replay_text(const ReplayReport& report) {
  using Outcome = ReplayReport::Item::Outcome;
  std::string text;
  for (const ReplayReport::Item& item : report.items) {
    text += to_hex(item.tid) + "  " + item_text(item, report.dry_run) + "\n";
  }
  return text + fmt::format("{} {} of {} transactions, {} were there already, {} left out\n",
                            report.dry_run ? "would replay" : "replayed",
                            report.count(Outcome::replayed), report.items.size(),
                            report.count(Outcome::present), report.count(Outcome::left_out));
}

std::string replay_json(const ReplayReport& report) {
  using Outcome = ReplayReport::Item::Outcome;
  json::array items;
  for (const ReplayReport::Item& item : report.items) {
    items.emplace_back(json::object{{"tid", to_hex(item.tid)},
                                    {"outcome", outcome_name(item.outcome)},
                                    {"new_tid", to_hex(item.new_tid)},
                                    {"why", json_text(item.why)}});
  }
  return json::serialize(json::object{{"dry_run", report.dry_run},
                                      {"transactions", report.items.size()},
                                      {"replayed", report.count(Outcome::replayed)},
                                      {"present", report.count(Outcome::present)},
                                      {"left_out", report.count(Outcome::left_out)},
                                      {"items", std::move(items)}}) +
         "\n";
}

}  // namespace zeolite::cli
