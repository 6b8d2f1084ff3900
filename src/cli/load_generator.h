#pragma once

#include "base/error.h"
#include "cli/bench_run.h"
#include "cli/command_line.h"

namespace zeolite::cli {

// Prepares the objects that are needed, connects the clients, measures, and waits for what is
// under way at the end. One thread drives all connections; the caller's waits.
// Errors: nobody answers (unavailable), a server that refuses, or what kept the preparation from
// being done. A run in which requests failed is a report, not an error.
[[nodiscard]] Result<BenchReport> run_bench(const BenchOptions& options);

}  // namespace zeolite::cli
