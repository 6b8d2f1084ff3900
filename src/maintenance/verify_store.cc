#include "maintenance/verify_store.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "maintenance/content_digest.h"
#include "model/transaction_record.h"
#include "storage/log_chain.h"
#include "storage/record_codec.h"

namespace zeolite::maintenance {
namespace {

using storage::ObjectStore;
using storage::StoredRevision;

// Revisions that the walk over all of them reads at a time.
constexpr std::size_t kWalkBatch = 10'000;

// A set of revisions as two numbers: equal sets have equal tallies, and different ones hardly ever.
// Tells whether log and revisions agree without keeping either in memory.
struct Tally {
  std::uint64_t count = 0;
  std::uint64_t sum = 0;

  void add(Oid oid, Tid tid) {
    ++count;
    sum += mixed(mixed(oid.value()) ^ tid.value());
  }
  friend bool operator==(const Tally&, const Tally&) = default;

 private:
  // The finaliser of splitmix64: every input bit reaches every output bit.
  static std::uint64_t mixed(std::uint64_t v) {
    v += 0x9E3779B97F4A7C15ULL;
    v = (v ^ (v >> 30)) * 0xBF58476D1CE4E5B9ULL;
    v = (v ^ (v >> 27)) * 0x94D049BB133111EBULL;
    return v ^ (v >> 31);
  }
};

// A read that failed because of what is stored is a finding; other failures end the verification.
bool is_finding(const Error& error) {
  return error.code == ErrorCode::corruption || error.code == ErrorCode::not_found;
}

class Verifier {
 public:
  Verifier(const ObjectStore& store, const VerifyOptions& options)
      : store_(store), options_(options), line_(options.line.value_or(store.last_position().tid)) {}

  Result<VerifyReport> run() {
    RETURN_IF_ERROR(walk_log());
    check_marks();
    RETURN_IF_ERROR(found(check_revisions(), "the walk over all objects"));
    report_.digest = digest_.finish();
    return std::move(report_);
  }

 private:
  void problem(std::string sentence) {
    if (report_.problem_count++ < options_.problems_max) {
      report_.problems.push_back(std::move(sentence));
    }
  }

  // Notes a failure that is damage as a problem of `what`; passes on every other one.
  Result<> found(Result<> result, std::string_view what) {
    if (result || !is_finding(result.error())) return result;
    problem(std::string(what) + " ends early: " + result.error().detail);
    return {};
  }

  Result<> check_cancelled() const {
    if (options_.cancelled == nullptr || !options_.cancelled->load()) return {};
    return make_error(ErrorCode::aborted, "cancelled");
  }

  Result<> walk_log() {
    while (last_.tid < line_) {
      ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store_.read_log(last_.tid, line_, {}));
      if (entries.empty()) break;
      for (const LogEntry& entry : entries) {
        RETURN_IF_ERROR(check_cancelled());
        if (entry.position.tid <= last_.tid) {
          return make_error(ErrorCode::corruption, "the log goes back from " + to_hex(last_.tid) +
                                                       " to " + to_hex(entry.position.tid));
        }
        RETURN_IF_ERROR(check_entry(entry));
        last_ = entry.position;
      }
      if (options_.progress) options_.progress({report_.transactions, last_.tid, line_});
    }
    return {};
  }

  Result<> check_entry(const LogEntry& entry) {
    const std::string name = "log entry " + to_hex(entry.position.tid);
    if (entry.previous_tid != last_.tid) {
      problem(name + " says that it follows " + to_hex(entry.previous_tid) + ", but it follows " +
              to_hex(last_.tid));
    }
    if (entry.position.epoch < last_.epoch) {
      problem(name + " has epoch " + std::to_string(entry.position.epoch.value()) +
              ", the one before has " + std::to_string(last_.epoch.value()));
    }
    if (entry.kind != RecordKind::transaction && !entry.objects.empty()) {
      problem(name + " lists objects although it is no transaction");
    }
    if (auto record = store_.read_record(entry); record) {
      check_hashes(entry, *record);
      if (entry.kind == RecordKind::transaction) digest_.add(*record);
    } else if (is_finding(record.error())) {
      problem(name + " cannot be read with its data: " + record.error().detail);
    } else {
      return std::unexpected(std::move(record).error());
    }
    if (entry.kind != RecordKind::transaction) return {};
    ++report_.transactions;
    report_.revisions += entry.objects.size();
    last_transaction_ = entry.position.tid;
    return found(check_objects(entry), "the check of " + name);
  }

  void check_hashes(const LogEntry& entry, const TransactionRecord& record) {
    if (auto body = storage::check_body(entry, record.writes); !body) problem(body.error().detail);
    const std::string covered =
        storage::encode_log_entry(record, entry.previous_tid, entry.body_hash);
    if (storage::next_chain(last_.chain, covered) != entry.position.chain) {
      problem("the hash chain breaks at log entry " + to_hex(entry.position.tid));
    }
  }

  Result<> check_objects(const LogEntry& entry) {
    std::vector<Oid> oids;
    oids.reserve(entry.objects.size());
    for (const ObjectSummary& object : entry.objects) oids.push_back(object.oid);
    const Tid tid = entry.position.tid;
    ASSIGN_OR_RETURN(const std::vector<Tid> before, store_.current_tids(oids, tid.previous()));
    for (std::size_t i = 0; i < oids.size(); ++i) {
      const ObjectSummary& object = entry.objects[i];
      listed_.add(object.oid, tid);
      highest_oid_ = std::max(highest_oid_, object.oid);
      if (object.previous != before[i]) {
        problem(name_of(object.oid, tid) + " follows " + to_hex(before[i]) + ", but the log says " +
                to_hex(object.previous));
      }
      RETURN_IF_ERROR(check_revision(object, tid));
    }
    std::ranges::sort(oids);
    if (std::ranges::adjacent_find(oids) != oids.end()) {
      problem("log entry " + to_hex(tid) + " lists an object twice");
    }
    return {};
  }

  Result<> check_revision(const ObjectSummary& object, Tid tid) {
    ASSIGN_OR_RETURN(const auto newest, store_.history(object.oid, tid, 1));
    const std::string name = name_of(object.oid, tid);
    if (newest.empty() || newest[0].tid != tid) {
      problem(name + " is in the log but has no revision");
      return {};
    }
    const ObjectSummary& stored = newest[0].summary;
    if (stored.kind != object.kind || stored.size != object.size || stored.back != object.back) {
      problem(name + " has a revision of another kind or size than the log says");
    }
    if (object.kind != RevisionKind::back_pointer) return {};
    if (object.back >= tid) {
      problem(name + " points back to " + to_hex(object.back) + ", which is not before it");
      return {};
    }
    ASSIGN_OR_RETURN(const auto target, store_.history(object.oid, object.back, 1));
    if (target.empty() || target[0].tid != object.back ||
        target[0].summary.kind != RevisionKind::data) {
      problem(name + " points back to " + to_hex(object.back) + ", which has no data of it");
    }
    return {};
  }

  void check_marks() {
    if (report_.revisions > 0 && highest_oid_ >= store_.oid_mark() &&
        !highest_oid_.next().is_zero()) {
      problem("the oid mark is " + to_hex(store_.oid_mark()) + ", but object " +
              to_hex(highest_oid_) + " exists");
    }
    // In this order: when nothing was appended up to the second call, neither was before.
    const Tid last_transaction = store_.last_transaction();
    const Position last = store_.last_position();
    if (last.tid != line_) return;
    if (last != last_) {
      problem("the log ends with entry " + to_hex(last_.tid) + ", but the store says with " +
              to_hex(last.tid) + " and another chain");
    }
    if (last_transaction != last_transaction_) {
      problem("the last transaction is " + to_hex(last_transaction_) + ", but the store says " +
              to_hex(last_transaction));
    }
  }

  // Calls visit(oid, tid) -> Result<> for each revision at or below the line.
  template <typename Visit>
  Result<> walk_revisions(const Visit& visit) {
    Oid from{0};
    while (true) {
      RETURN_IF_ERROR(check_cancelled());
      ASSIGN_OR_RETURN(const std::vector<StoredRevision> revisions,
                       store_.revisions_from(from, kWalkBatch));
      for (const StoredRevision& revision : revisions) {
        if (revision.key.tid <= line_) RETURN_IF_ERROR(visit(revision.key.oid, revision.key.tid));
      }
      if (revisions.empty()) return {};
      from = revisions.back().key.oid.next();
      if (from.is_zero()) return {};
    }
  }

  Result<> check_revisions() {
    Tally revisions;
    RETURN_IF_ERROR(walk_revisions([&](Oid oid, Tid tid) -> Result<> {
      revisions.add(oid, tid);
      return {};
    }));
    return revisions == listed_ ? Result<>{} : name_orphans();
  }

  Result<> name_orphans() {
    return walk_revisions([this](Oid oid, Tid tid) -> Result<> {
      ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store_.log_entry(tid));
      if (!entry ||
          std::ranges::find(entry->objects, oid, &ObjectSummary::oid) == entry->objects.end()) {
        problem(name_of(oid, tid) + " has a revision but is not in the log");
      }
      return {};
    });
  }

  static std::string name_of(Oid oid, Tid tid) {
    return "object " + to_hex(oid) + " as of transaction " + to_hex(tid);
  }

  const ObjectStore& store_;
  const VerifyOptions& options_;
  const Tid line_;
  VerifyReport report_;
  ContentDigest digest_;
  Position last_;
  Tid last_transaction_;
  Oid highest_oid_;
  Tally listed_;  // the revisions that the log lists
};

}  // namespace

Result<VerifyReport> verify_store(const ObjectStore& store, const VerifyOptions& options) {
  return Verifier(store, options).run();
}

}  // namespace zeolite::maintenance
