#include "commit/oid_allocator.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace zeolite::commit {
namespace {

constexpr Oid kOidLimit{std::numeric_limits<std::uint64_t>::max()};
// The root object's oid, 0, is the application's: it is never handed out.
constexpr Oid kFirstOid{1};

}  // namespace

OidAllocator::OidAllocator(Oid mark, std::uint32_t reserve)
    : next_(std::max(mark, kFirstOid)), durable_(next_), reserve_(reserve) {}

void OidAllocator::request(const Request& request) {
  CHECK(request.count > 0, "at least one oid is asked for");
  waiting_.push_back(request);
}

void OidAllocator::cancel_owner(OwnerId owner) {
  std::erase_if(waiting_, [owner](const Request& request) { return request.owner == owner; });
}

void OidAllocator::lend(Oid reserved) {
  CHECK(!mark_pending_, "the log has no mark yet");
  durable_ = std::max(durable_, reserved);
  lending_ = true;
}

bool OidAllocator::end_lending() {
  lending_ = false;
  durable_ = next_;
  return lent_;
}

void OidAllocator::note_written(Oid oid) {
  if (oid < next_) return;
  next_ = oid == kOidLimit ? kOidLimit : oid.next();
}

std::uint64_t OidAllocator::left() const {
  return durable_ > next_ ? durable_.value() - next_.value() : 0;
}

void OidAllocator::take_answers(std::vector<Answer>& answers) {
  while (!waiting_.empty()) {
    const Request& request = waiting_.front();
    const bool exhausted = kOidLimit.value() - next_.value() < request.count;
    if (!exhausted && left() < request.count) return;
    answers.push_back({request, exhausted ? std::nullopt : std::optional(next_)});
    if (!exhausted) next_ = Oid(next_.value() + request.count);
    lent_ = lent_ || lending_;
    waiting_.pop_front();
  }
}

std::optional<Oid> OidAllocator::take_mark_to_append() {
  // A new mark is asked for while a quarter is left, so that nobody has to wait for it.
  if (mark_pending_ || (waiting_.empty() && left() >= reserve_ / 4)) return std::nullopt;
  std::uint64_t wanted = reserve_;
  for (const Request& request : waiting_) wanted += request.count;
  const std::uint64_t room = kOidLimit.value() - next_.value();
  const Oid mark(next_.value() + std::min(wanted, room));
  if (room == 0 || mark <= durable_) return std::nullopt;
  mark_pending_ = true;
  return mark;
}

void OidAllocator::mark_durable(Oid mark) {
  CHECK(mark_pending_ && mark > durable_, "the mark that was asked for");
  durable_ = mark;
  mark_pending_ = false;
}

void OidAllocator::check_invariants() const {
  CHECK(next_ >= kFirstOid, "the root's oid is not handed out");
  CHECK(waiting_.empty() || mark_pending_, "who waits, waits for a mark");
}

}  // namespace zeolite::commit
