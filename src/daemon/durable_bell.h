#pragma once

#include <atomic>

namespace zeolite::daemon {

// Asked for by who waits for more of the log to become durable, and rung by the log writer, which
// so wakes nobody in vain: mostly a standby confirms a group after it is durable here, and then
// nobody has waited for it.
//
// Who asks looks at the durable end after that, not before: what becomes durable later rings.
// Thread: any.
class DurableBell {
 public:
  // It is to ring for what becomes durable from now on, once.
  void ask() { asked_.store(true); }
  // To be called when the durable end has moved. True: somebody is to be woken.
  [[nodiscard]] bool rings() { return asked_.load() && asked_.exchange(false); }

 private:
  std::atomic<bool> asked_ = false;
};

}  // namespace zeolite::daemon
