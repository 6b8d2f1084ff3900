#include <array>

#include "cluster/workload.h"

namespace zeolite::cluster_test {

using client::Oid;

namespace {

constexpr std::uint64_t kGroups = 2;
constexpr std::uint64_t kGroupSize = 4;

class ForkWorkload final : public Workload {
 public:
  bool make_objects(Participant& participant) const override {
    const auto make = [](Attempt& attempt) {
      const std::vector<Oid> oids = workload_oids(3, 0, kGroups * kGroupSize);
      if (attempt.read(oids).front()) return;
      for (const Oid oid : oids) attempt.write(oid, attempt.id());
    };
    return participant.act("open", Participant::Server::primary, make) == Operation::End::ok;
  }

  void step(Participant& participant) const override {
    const std::vector<Oid> oids =
        workload_oids(3, participant.random(kGroups) * kGroupSize, kGroupSize);
    if (participant.chance(50)) {
      participant.act("read", participant.reads(),
                      [&](Attempt& attempt) { static_cast<void>(attempt.read(oids)); });
      return;
    }
    // Up to that many clients never write the same object: their writes have no order but the
    // log's.
    const Oid oid = oids[participant.index() % kGroupSize];
    participant.act("write", Participant::Server::primary,
                    [&](Attempt& attempt) { attempt.write(oid, attempt.id()); });
  }
};

}  // namespace

std::unique_ptr<Workload> fork_workload() { return std::make_unique<ForkWorkload>(); }

}  // namespace zeolite::cluster_test
