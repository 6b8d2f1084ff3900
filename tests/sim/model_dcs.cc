#include "sim/model_dcs.h"

#include <memory>
#include <type_traits>
#include <variant>

namespace zeolite::sim {

using replication::DcsView;
using replication::LeaseId;
namespace dcs = replication::dcs;

namespace {

// How long an asker waits.
constexpr Duration kRequestTimeout = std::chrono::seconds(1);
// When a late request is carried out at the latest.
constexpr Duration kLatestRequest = std::chrono::seconds(6);
// How old a stale read may be.
constexpr Duration kStalenessMax = std::chrono::seconds(3);

std::unexpected<Error> no_lease() { return make_error(ErrorCode::not_found, "the lease is gone"); }

}  // namespace

void ModelDcs::ask(Asker asker, const Process& process, dcs::Request request, Answered answered) {
  auto once = std::make_shared<Answered>(std::move(answered));
  const auto answer = [once](Result<dcs::Answer> result) {
    if (*once) std::exchange(*once, nullptr)(std::move(result));
  };
  const Process::Life life = process.life();
  queue_.after(kRequestTimeout, life, [answer] {
    answer(make_error(ErrorCode::timeout, "the coordination service did not answer"));
  });
  if (random_.once_in(lies_.lost_request)) return;
  Duration there = random_.delay(usual_delay_);
  if (random_.once_in(lies_.late_request))
    there += random_.between(kRequestTimeout, kLatestRequest);
  const Duration back = random_.delay(usual_delay_);
  const bool answer_lost = random_.once_in(lies_.lost_answer);
  // What is on its way arrives also when its sender has died; only the answer is for that life.
  queue_.after(there, [=, this, request = std::move(request)] {
    if (!reaches(asker)) return;
    Result<dcs::Answer> result = carry_out(request);
    if (answer_lost) return;
    queue_.after(back, life, [this, asker, answer, result = std::move(result)]() mutable {
      if (reaches(asker)) answer(std::move(result));
    });
  });
}

Result<dcs::Answer> ModelDcs::carry_out(const dcs::Request& request) {
  if (const auto* it = std::get_if<dcs::GrantLease>(&request)) return grant(it->ttl);
  if (const auto* it = std::get_if<dcs::KeepAlive>(&request)) return keep_alive(it->lease);
  if (const auto* it = std::get_if<dcs::Acquire>(&request)) return acquire(*it);
  if (const auto* it = std::get_if<dcs::PutSync>(&request)) return put_sync(*it);
  if (std::holds_alternative<dcs::Read>(request)) return read();
  if (const auto* it = std::get_if<dcs::Revoke>(&request)) {
    expire(it->lease);
    return dcs::Guarded{.held = true};
  }
  if (const auto* it = std::get_if<dcs::Register>(&request)) {
    if (!leases_.contains(it->lease)) return no_lease();
    members_[it->member.node] = {it->member, it->lease};
    changed();
    return dcs::Guarded{.held = true};
  }
  const auto holds = [&](replication::Revision revision) {
    return keys_.leader && keys_.leader->revision == revision;
  };
  if (const auto* it = std::get_if<dcs::Confirm>(&request)) {
    return dcs::Guarded{.held = holds(it->leader_revision)};
  }
  const auto& release = std::get<dcs::Release>(request);
  if (!holds(release.leader_revision)) return dcs::Guarded{.held = false};
  keys_.leader.reset();
  leader_lease_ = 0;
  changed();
  return dcs::Guarded{.held = true};
}

dcs::Viewed ModelDcs::read() {
  if (random_.once_in(lies_.stale_read) && !past_.empty()) {
    return {past_[random_.index(past_.size())].second};
  }
  return {view()};
}

DcsView ModelDcs::view() const {
  DcsView view = keys_;
  for (const auto& [node, member] : members_) view.members.push_back(member.first);
  return view;
}

dcs::Leased ModelDcs::grant(Duration ttl) {
  const LeaseId lease = next_lease_++;
  leases_[lease] = {.ttl = ttl, .until = queue_.now() + ttl};
  watch(lease, ttl);
  return {.lease = lease, .ttl = ttl};
}

dcs::Leased ModelDcs::keep_alive(LeaseId lease) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) {
    const bool lie = random_.once_in(lies_.dead_keepalive);
    return {.lease = lease, .ttl = lie ? Duration(std::chrono::seconds(3)) : Duration{}};
  }
  const Duration ttl = found->second.ttl;
  found->second.until = queue_.now() + ttl;
  if (random_.once_in(lies_.spurious_revoke)) expire(lease);
  return {.lease = lease, .ttl = ttl};
}

bool ModelDcs::guarded_acquire(const dcs::Acquire& request) const {
  if (keys_.leader) return false;
  const bool cluster_fits =
      request.cluster_seen ? !request.cluster || keys_.cluster == request.cluster : !keys_.cluster;
  if (!cluster_fits) return false;
  if (mutation_ == Mutation::acquire_unguarded) return true;
  const replication::Revision sync = keys_.sync ? keys_.sync->revision : 0;
  return keys_.epoch_revision == request.epoch_revision && sync == request.sync_revision;
}

Result<dcs::Answer> ModelDcs::acquire(const dcs::Acquire& request) {
  if (!guarded_acquire(request)) return dcs::Guarded{.held = false};
  if (!leases_.contains(request.lease)) return no_lease();
  changed();
  if (request.cluster && !keys_.cluster) keys_.cluster = request.cluster;
  keys_.leader = {.node = request.node,
                  .name = request.name,
                  .address = request.address,
                  .epoch = request.epoch,
                  .revision = revision_,
                  .lease = request.lease,
                  .ttl = request.ttl};
  leader_lease_ = request.lease;
  if (mutation_ != Mutation::counter_not_raised) {
    keys_.epoch = request.epoch;
    keys_.epoch_revision = revision_;
  }
  return dcs::Guarded{.held = true, .revision = revision_};
}

dcs::Guarded ModelDcs::put_sync(const dcs::PutSync& request) {
  const replication::Revision sync = keys_.sync ? keys_.sync->revision : 0;
  const bool leads = keys_.leader && keys_.leader->revision == request.leader_revision;
  const bool guarded = leads && sync == request.sync.revision;
  if (!guarded && mutation_ != Mutation::sync_key_unguarded) return {.held = false};
  changed();
  keys_.sync = request.sync;
  keys_.sync->revision = revision_;
  return {.held = true, .revision = revision_};
}

void ModelDcs::expire(LeaseId lease) {
  if (leases_.erase(lease) == 0) return;
  changed();
  if (leader_lease_ == lease) {
    keys_.leader.reset();
    leader_lease_ = 0;
  }
  std::erase_if(members_, [&](const auto& member) { return member.second.second == lease; });
}

// Looks again when the lease would end.
void ModelDcs::watch(LeaseId lease, Duration time) {
  queue_.after(time, [this, lease] {
    const auto found = leases_.find(lease);
    if (found == leases_.end()) return;
    if (found->second.until <= queue_.now()) {
      expire(lease);
    } else {
      watch(lease, found->second.until - queue_.now());
    }
  });
}

// To be called before the keys change.
void ModelDcs::changed() {
  while (!past_.empty() && queue_.now() - past_.front().first > kStalenessMax) past_.pop_front();
  past_.emplace_back(queue_.now(), view());
  ++revision_;
}

void ModelDcs::heal() {
  outage_ = false;
  cut_off_.clear();
  lies_ = {};
}

void ModelDcs::restart() {
  for (auto& [id, lease] : leases_) lease.until = queue_.now() + lease.ttl;
}

}  // namespace zeolite::sim
