#include "maintenance/reference_check.h"

#include <utility>

namespace zeolite::maintenance {
namespace {

constexpr std::size_t kWalkBatch = 1000;

}  // namespace

Result<> ReferenceCheck::add(Oid oid) {
  existing_.add(oid);
  ASSIGN_OR_RETURN(const bool scanned, read_references(oid));
  if (!scanned) ++unscanned_;
  for (const Oid to : references_.strong) named_.add(to);
  return {};
}

Result<ReferenceFindings> ReferenceCheck::finish(std::size_t described_max) {
  ReferenceFindings findings;
  findings.unscanned = unscanned_;
  named_.subtract(existing_);
  Oid from{0};
  while (!named_.empty()) {
    if (cancelled_ != nullptr && cancelled_->load()) {
      return make_error(ErrorCode::aborted, "cancelled");
    }
    ASSIGN_OR_RETURN(const auto objects, store_.next_objects(from, line_, kWalkBatch));
    for (const storage::CurrentObject& object : objects) {
      RETURN_IF_ERROR(read_references(object.oid));
      for (const Oid to : references_.strong) {
        if (!named_.contains(to)) continue;
        if (findings.dangling_count++ < described_max) {
          findings.dangling.push_back({object.oid, to});
        }
      }
    }
    if (objects.size() < kWalkBatch) break;
    from = objects.back().oid.next();
    if (from.is_zero()) break;
  }
  return findings;
}

// Whether the whole record could be read; what was found is in references_ in any case.
Result<bool> ReferenceCheck::read_references(Oid oid) {
  references_.strong.clear();
  const auto loaded = store_.load_before(oid, kMaxTid, line_, storage::ReadTier::disk);
  if (!loaded) {
    if (loaded.error().code == ErrorCode::corruption) return false;
    return std::unexpected(loaded.error());
  }
  if (loaded->status != storage::LoadStatus::found) return true;
  return pickle::find_references(loaded->data.view(), references_).has_value();
}

}  // namespace zeolite::maintenance
