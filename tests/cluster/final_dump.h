#pragma once

#include "cluster/history_arguments.h"

namespace zeolite::cluster_test {

// Writes down all transactions in the log of the primary that were made by history clients, with
// the values of what they wrote: a line of JSON for each. The first line says whose log it is, the
// last one that it is complete. Throws client::Error, or std::runtime_error when the file cannot be
// written.
void dump_final(const Arguments& arguments);

}  // namespace zeolite::cluster_test
