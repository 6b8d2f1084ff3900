#include "storage/random_id.h"

#include <sys/random.h>

namespace zeolite::storage {

Result<Id128> random_id() {
  Id128 id;
  if (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size())) {
    return make_error(ErrorCode::io_error, "the operating system gives no random numbers");
  }
  return id;
}

}  // namespace zeolite::storage
