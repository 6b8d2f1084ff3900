#include "maintenance/verify_store.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "history/transaction_iteration.h"
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
    sum += hash_of(oid, tid);
  }
  void remove(Oid oid, Tid tid) {
    --count;
    sum -= hash_of(oid, tid);
  }
  friend bool operator==(const Tally&, const Tally&) = default;

 private:
  static std::uint64_t hash_of(Oid oid, Tid tid) { return mixed(mixed(oid.value()) ^ tid.value()); }
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
      : store_(store),
        options_(options),
        line_(options.line.value_or(store.last_position().tid)),
        pack_(store.pack_state()),
        references_(store, line_, options.cancelled) {}

  Result<VerifyReport> run() {
    RETURN_IF_ERROR(walk_log());
    check_marks();
    RETURN_IF_ERROR(found(check_revisions(), "the walk over all objects"));
    ASSIGN_OR_RETURN(report_.references, references_.finish(options_.dangling_max));
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
    check_chain(entry);
    take_removals(entry);
    if (entry.kind == RecordKind::transaction) last_transaction_ = entry.position.tid;
    std::vector<bool> present;
    Result<TransactionRecord> record = read_rest(entry, present);
    if (record) {
      count(std::move(*record));
    } else if (is_finding(record.error())) {
      problem(name + " cannot be read with its data: " + record.error().detail);
    } else {
      return std::unexpected(std::move(record).error());
    }
    if (entry.kind != RecordKind::transaction) return {};
    return found(check_objects(entry, present), "the check of " + name);
  }

  void take_removals(const LogEntry& entry) {
    for (const RevisionKey& key : entry.removed) {
      if (key.tid <= line_) kept_.remove(key.oid, key.tid);
    }
  }

  void check_chain(const LogEntry& entry) {
    if (storage::next_chain(last_.chain, storage::encode_log_entry(entry)) !=
        entry.position.chain) {
      problem("the hash chain breaks at log entry " + to_hex(entry.position.tid));
    }
  }

  // What is left of the entry, and which of its objects that may be. What is whole is checked
  // against the body hash.
  Result<TransactionRecord> read_rest(const LogEntry& entry, std::vector<bool>& present) const {
    present.assign(entry.objects.size(), true);
    if (is_packed(entry.position.tid)) {
      ASSIGN_OR_RETURN(present, store_.present(entry));
    }
    if (std::ranges::find(present, false) != present.end()) {
      return history::read_beside_pack(store_, entry);
    }
    Result<TransactionRecord> record = store_.read_record(entry);
    if (!record) {
      const bool may_be_gone = is_finding(record.error()) && is_packed(entry.position.tid);
      if (!may_be_gone) return record;
      ASSIGN_OR_RETURN(const std::vector<bool> now, store_.present(entry));
      return now == present ? record : history::read_beside_pack(store_, entry);
    }
    RETURN_IF_ERROR(storage::check_body(entry, record->writes));
    return record;
  }

  void count(TransactionRecord record) {
    if (record.kind != RecordKind::transaction) return;
    if (record.tid <= pack_.horizon) {
      if (record.writes.empty()) return;
      record.status = kStatusPacked;
    }
    ++report_.transactions;
    report_.revisions += record.writes.size();
    for (const ObjectWrite& write : record.writes) report_.blobs += write.blob ? 1U : 0U;
    digest_.add(record);
  }

  // Whether revisions of this transaction may be missing. A pack may begin at any time.
  [[nodiscard]] bool is_packed(Tid tid) const { return tid <= store_.pack_horizon(); }
  // Whether a revision that should come before another, and before which `found` comes now, may be
  // missing. Or it may have been deleted, and the deletion packed away.
  [[nodiscard]] bool is_gone(Tid previous, Tid found) const {
    return found < previous ? is_packed(previous) : is_packed(found);
  }

  Result<> check_objects(const LogEntry& entry, const std::vector<bool>& present) {
    std::vector<Oid> oids;
    oids.reserve(entry.objects.size());
    for (const ObjectSummary& object : entry.objects) oids.push_back(object.oid);
    const Tid tid = entry.position.tid;
    ASSIGN_OR_RETURN(const std::vector<Tid> before, store_.current_tids(oids, tid.previous()));
    for (std::size_t i = 0; i < oids.size(); ++i) {
      const ObjectSummary& object = entry.objects[i];
      highest_oid_ = std::max(highest_oid_, std::optional(object.oid));
      kept_.add(object.oid, tid);
      if (!present[i]) continue;
      if (object.previous != before[i] && !is_gone(object.previous, before[i])) {
        problem(name_of(object.oid, tid) + " follows " + to_hex(before[i]) + ", but the log says " +
                to_hex(object.previous));
      }
      RETURN_IF_ERROR(check_revision(object, tid));
      RETURN_IF_ERROR(check_blob(object, tid));
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
      if (is_packed(tid)) return {};
      problem(name + " is in the log but has no revision");
      kept_.remove(object.oid, tid);  // it was told
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
    const bool has_data = !target.empty() && target[0].tid == object.back &&
                          target[0].summary.kind == RevisionKind::data;
    if (has_data) return {};
    ASSIGN_OR_RETURN(const auto again, store_.history(object.oid, tid, 1));
    if (!again.empty() && again[0].tid == tid) {
      problem(name + " points back to " + to_hex(object.back) + ", which has no data of it");
    }
    return {};
  }

  Result<> check_blob(const ObjectSummary& object, Tid tid) {
    if (!object.blob || !options_.check_blob) return {};
    Result<> checked = options_.check_blob(object.oid, tid, *object.blob);
    if (checked || !is_finding(checked.error())) return checked;
    // A pack may have removed both meanwhile.
    ASSIGN_OR_RETURN(const auto newest, store_.history(object.oid, tid, 1));
    if (!newest.empty() && newest[0].tid == tid) problem(std::move(checked).error().detail);
    return {};
  }

  void check_marks() {
    if (highest_oid_ && *highest_oid_ >= store_.oid_mark() && !highest_oid_->next().is_zero()) {
      problem("the oid mark is " + to_hex(store_.oid_mark()) + ", but object " +
              to_hex(*highest_oid_) + " exists");
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

  // Calls visit(revision, is_newest) -> Result<> for each revision at or below the line; the newest
  // of an object comes first.
  template <typename Visit>
  Result<> walk_revisions(const Visit& visit) {
    Oid from{0};
    while (true) {
      RETURN_IF_ERROR(check_cancelled());
      ASSIGN_OR_RETURN(const std::vector<StoredRevision> revisions,
                       store_.revisions_from(from, kWalkBatch));
      if (revisions.empty()) return {};
      std::optional<Oid> last;
      for (const StoredRevision& revision : revisions) {
        if (revision.key.tid > line_) continue;
        RETURN_IF_ERROR(visit(revision, last != revision.key.oid));
        last = revision.key.oid;
      }
      from = revisions.back().key.oid.next();
      if (from.is_zero()) return {};
    }
  }

  Result<> check_revisions() {
    Tally revisions;
    RETURN_IF_ERROR(walk_revisions([&](const StoredRevision& revision, bool is_newest) -> Result<> {
      revisions.add(revision.key.oid, revision.key.tid);
      if (!options_.check_references || !is_newest) return {};
      if (revision.kind == RevisionKind::deletion) return {};
      return references_.add(revision.key.oid);
    }));
    // Some went meanwhile when a pack was under way.
    const bool may_differ = !pack_.swept || store_.pack_state() != pack_;
    if (may_differ) return {};
    RETURN_IF_ERROR(take_later_removals());
    if (revisions == kept_) return {};
    ASSIGN_OR_RETURN(const std::uint64_t orphans, name_orphans());
    if (kept_.count + orphans > revisions.count) {
      problem(std::to_string(kept_.count + orphans - revisions.count) +
              " revisions at or below the pack horizon, " + to_hex(pack_.horizon) +
              ", are missing, and the log does not say that they were removed");
    }
    return {};
  }

  // The last of the removals that took away what is below the line may be above it.
  Result<> take_later_removals() {
    Tid after = line_;
    const Tid end = store_.last_position().tid;
    while (after < end) {
      ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store_.read_log(after, end, {}));
      if (entries.empty()) break;
      for (const LogEntry& entry : entries) take_removals(entry);
      after = entries.back().position.tid;
    }
    return {};
  }

  // How many there are.
  Result<std::uint64_t> name_orphans() {
    std::uint64_t orphans = 0;
    const auto look = [&](const StoredRevision& revision, bool /*is_newest*/) -> Result<> {
      const auto [oid, tid] = revision.key;
      ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store_.log_entry(tid));
      if (!entry ||
          std::ranges::find(entry->objects, oid, &ObjectSummary::oid) == entry->objects.end()) {
        ++orphans;
        problem(name_of(oid, tid) + " has a revision but is not in the log");
      }
      return {};
    };
    RETURN_IF_ERROR(walk_revisions(look));
    return orphans;
  }

  static std::string name_of(Oid oid, Tid tid) {
    return "object " + to_hex(oid) + " as of transaction " + to_hex(tid);
  }

  const ObjectStore& store_;
  const VerifyOptions& options_;
  const Tid line_;
  const storage::PackState pack_;  // when it began
  VerifyReport report_;
  ContentDigest digest_;
  Position last_;
  Tid last_transaction_;
  std::optional<Oid> highest_oid_;
  Tally kept_;  // the revisions that the log lists, and does not say to have been removed
  ReferenceCheck references_;
};

}  // namespace

Result<VerifyReport> verify_store(const ObjectStore& store, const VerifyOptions& options) {
  return Verifier(store, options).run();
}

}  // namespace zeolite::maintenance
