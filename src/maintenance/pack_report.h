#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/ids.h"

namespace zeolite::maintenance {

// How far a pack is.
struct PackProgress {
  unsigned phase = 0;     // from 1
  unsigned phases = 0;    // of so many
  std::string_view name;  // what the phase does, for people
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // an estimate that may grow; done <= total
};

// A record whose references are not known.
struct UnreadableRecord {
  Oid oid;
  Tid tid;  // kNoTid: the object's current revision at the horizon, whichever it is
  std::string reason;
};

// What a pack did, or would do.
struct PackReport {
  Tid horizon;
  bool garbage_wanted = false;
  // False although it was wanted: it was not certain what is garbage, because records could not be
  // read or there is no root object. Then only old revisions went.
  bool garbage_collected = false;
  bool root_missing = false;

  // All that was looked at, in this run.
  std::uint64_t objects = 0;
  std::uint64_t revisions = 0;
  // What went. An interrupted pack's earlier runs are not in it.
  std::uint64_t removed_objects = 0;  // with all their revisions
  std::uint64_t removed_revisions = 0;
  std::uint64_t removed_bytes = 0;  // of records; blobs not among them
  std::uint64_t removed_blobs = 0;

  // Objects that are referred to and do not exist; only looked for when garbage is collected.
  std::uint64_t dangling_count = 0;
  std::vector<Oid> dangling;  // the first kReportedMax that were met
  std::uint64_t unreadable_count = 0;
  std::vector<UnreadableRecord> unreadable;  // the first kReportedMax

  static constexpr std::size_t kReportedMax = 20;
};

}  // namespace zeolite::maintenance
