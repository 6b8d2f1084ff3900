#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cluster/participant.h"

namespace zeolite::cluster_test {

// What a client does all the time. Shared by all clients of a process: it holds nothing that
// changes, but for what the objects themselves say. Thread: any.
class Workload {
 public:
  Workload() = default;
  virtual ~Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  // Makes the objects that step() needs, unless they are there. False when that failed: it may be
  // tried again.
  virtual bool make_objects(Participant& participant) const = 0;
  // Does one operation.
  virtual void step(Participant& participant) const = 0;
};

// Transfers between accounts, and sums over all of them, which never change.
[[nodiscard]] std::unique_ptr<Workload> bank_workload();
// Lists to which unique numbers are appended: what depends on what can be told from their content.
[[nodiscard]] std::unique_ptr<Workload> append_workload();
// Independent writes, and reads of several objects: everybody must see them happen in one order
// (where not, that is a long fork).
[[nodiscard]] std::unique_ptr<Workload> fork_workload();

// Objects of a workload, from the n-th on. Fixed, so that processes need not tell each other; far
// above the oids that a server gives out in a test.
[[nodiscard]] inline std::vector<client::Oid> workload_oids(std::uint64_t workload, std::uint64_t n,
                                                            std::uint64_t count) {
  std::vector<client::Oid> oids(count);
  for (client::Oid& oid : oids) oid.value = 0x4800'0000'0000 + (workload << 24) + n++;
  return oids;
}

}  // namespace zeolite::cluster_test
