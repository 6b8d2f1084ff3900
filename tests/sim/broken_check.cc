#include "sim/broken_check.h"

#include <string>
#include <string_view>

#include "base/check.h"

// Takes the place of src/base/check.cc when linked before it.
void zeolite::check_failed(std::string_view condition, std::string_view message, const char* file,
                           int line) {
  throw sim::BrokenCheck(std::string(file) + ":" + std::to_string(line) + ": invariant broken: " +
                         std::string(message) + " (" + std::string(condition) + ")");
}
