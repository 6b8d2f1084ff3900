#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/time.h"
#include "replication/dcs.h"
#include "sim/event_queue.h"
#include "sim/mutation.h"
#include "sim/random.h"

namespace zeolite::sim {

// There are no watches to lose: the election reads all keys several times a second, and decides by
// guarded transactions alone.
//
// The coordination service of a cluster: keys, leases and guarded transactions as
// replication/dcs.h says, over a network that loses requests and answers, and with the lies that
// etcd 3.4.23 was caught at.
class ModelDcs {
 public:
  // Each happens once in so many times; 0: never.
  struct Lies {
    std::uint64_t stale_read = 0;       // a read tells what was true some time ago
    std::uint64_t dead_keepalive = 0;   // a lease that has ended is extended, it says
    std::uint64_t spurious_revoke = 0;  // a lease ends although it was just extended
    std::uint64_t lost_request = 0;     // unavailable: not carried out
    std::uint64_t lost_answer = 0;      // unavailable: carried out
    std::uint64_t late_request = 0;     // unavailable: carried out some seconds later
  };
  using Answered = std::function<void(Result<replication::dcs::Answer>)>;
  using Asker = std::size_t;

  ModelDcs(EventQueue& queue, Random random, Duration usual_delay, Mutation mutation = {})
      : queue_(queue), random_(random), usual_delay_(usual_delay), mutation_(mutation) {}

  // `answered` is called once, in the process, if that lives on.
  void ask(Asker asker, const Process& process, replication::dcs::Request request,
           Answered answered);

  // ---- faults ----

  void set_lies(const Lies& lies) { lies_ = lies; }
  void set_outage(bool outage) { outage_ = outage; }
  void cut_off(Asker asker) { cut_off_.insert(asker); }
  void heal();
  // A new leader of the service: every lease begins its time anew.
  void restart();

  // The truth.
  [[nodiscard]] replication::DcsView view() const;
  // Of the last change.
  [[nodiscard]] replication::Revision revision() const { return revision_; }

 private:
  struct Lease {
    Duration ttl{};
    Instant until{};
  };
  [[nodiscard]] bool reaches(Asker asker) const { return !outage_ && !cut_off_.contains(asker); }
  [[nodiscard]] Result<replication::dcs::Answer> carry_out(
      const replication::dcs::Request& request);

  replication::dcs::Viewed read();
  replication::dcs::Leased grant(Duration ttl);
  replication::dcs::Leased keep_alive(replication::LeaseId lease);
  Result<replication::dcs::Answer> acquire(const replication::dcs::Acquire& request);
  [[nodiscard]] bool guarded_acquire(const replication::dcs::Acquire& request) const;
  replication::dcs::Guarded put_sync(const replication::dcs::PutSync& request);
  void expire(replication::LeaseId lease);
  void watch(replication::LeaseId lease, Duration time);
  void changed();

  EventQueue& queue_;
  Random random_;
  Duration usual_delay_;
  const Mutation mutation_;
  Lies lies_;
  bool outage_ = false;
  std::set<Asker> cut_off_;

  replication::Revision revision_ = 1;
  replication::DcsView keys_;  // members are in members_
  replication::LeaseId leader_lease_ = 0;
  std::map<replication::NodeId, std::pair<replication::MemberKey, replication::LeaseId>> members_;
  std::map<replication::LeaseId, Lease> leases_;
  replication::LeaseId next_lease_ = 1000;
  // What was true, since when; the newest last. For stale reads.
  std::deque<std::pair<Instant, replication::DcsView>> past_;
};

}  // namespace zeolite::sim
