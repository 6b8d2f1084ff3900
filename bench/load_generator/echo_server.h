#pragma once

#include "base/error.h"

namespace zeolite::bench {

// Listens on a free port of 127.0.0.1, prints "ready 127.0.0.1:PORT" on standard error and sends
// back whatever any connection sends, from one thread with epoll, until the process is ended.
// Returns only with an error.
[[nodiscard]] Result<> serve_echo();

}  // namespace zeolite::bench
