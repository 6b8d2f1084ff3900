#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "net/address.h"
#include "replication/dcs.h"

namespace zeolite::cli {

// Runs a server in a child process and watches it: when the child dies, the lease by which it led
// is ended at once, so that a standby takes over without waiting for it to run out. Signals to stop
// are passed on; when this process dies, the child is told to stop.
//
// `serve` runs in the child; it calls its argument with each lease that it gets. To be called
// before there is any thread. The exit code is the child's; one that was killed by a signal is
// `failed`.
[[nodiscard]] ExitCode supervise(
    const std::vector<net::HostPort>& etcd,
    const std::function<ExitCode(std::function<void(replication::LeaseId)>)>& serve);

}  // namespace zeolite::cli
