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
      std::vector<Oid> oids;
      for (std::uint64_t i = 0; i < kGroups * kGroupSize; ++i) oids.push_back(workload_oid(3, i));
      if (attempt.read(oids).front()) return;
      for (const Oid oid : oids) attempt.write(oid, attempt.id());
    };
    return participant.act("open", Participant::Server::primary, make) == Operation::End::ok;
  }

  void step(Participant& participant) const override {
    const std::uint64_t group = participant.random(kGroups) * kGroupSize;
    if (participant.chance(50)) {
      std::vector<Oid> oids;
      for (std::uint64_t i = 0; i < kGroupSize; ++i) oids.push_back(workload_oid(3, group + i));
      participant.act("read", participant.reads(),
                      [&](Attempt& attempt) { static_cast<void>(attempt.read(oids)); });
      return;
    }
    // Up to that many clients never write the same object: their writes have no order but the
    // log's.
    const Oid oid = workload_oid(3, group + participant.index() % kGroupSize);
    participant.act("write", Participant::Server::primary,
                    [&](Attempt& attempt) { attempt.write(oid, attempt.id()); });
  }
};

}  // namespace

std::unique_ptr<Workload> fork_workload() { return std::make_unique<ForkWorkload>(); }

}  // namespace zeolite::cluster_test
