#pragma once

#include <stdexcept>

namespace zeolite::sim {

// A CHECK of the code under test failed: thrown in place of ending the process, so that the run can
// tell its seed. Whatever is linked with the simulation throws it.
class BrokenCheck : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace zeolite::sim
