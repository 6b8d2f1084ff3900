#include "maintenance/newest_revisions.h"

namespace zeolite::maintenance {

std::optional<Tid> NewestRevisions::find(Oid oid) const {
  if (is_new(oid)) return kNoTid;
  const auto found = pages_.find(oid.value() / kPageOids);
  if (found == pages_.end()) return std::nullopt;
  const Page& page = *found->second;
  const std::size_t place = oid.value() % kPageOids;
  if ((page.known >> place & 1) == 0) return std::nullopt;
  return page.tids[place];
}

void NewestRevisions::set(Oid oid, Tid tid) {
  std::unique_ptr<Page>& page = pages_[oid.value() / kPageOids];
  if (!page) {
    page = std::make_unique<Page>();
    // Of what is above the mark it is known that there is none.
    const std::uint64_t first = oid.value() - oid.value() % kPageOids;
    const std::uint64_t below = mark_.value() > first ? mark_.value() - first : 0;
    page->known = below < kPageOids ? ~std::uint64_t{0} << below : 0;
  }
  const std::size_t place = oid.value() % kPageOids;
  page->known |= std::uint64_t{1} << place;
  page->tids[place] = tid;
  if (is_new(oid)) mark_ = oid.next();
}

void NewestRevisions::trim() {
  if (pages_.size() > pages_max_) pages_.clear();
}

}  // namespace zeolite::maintenance
