#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"

namespace zeolite::pickle {

// What a record refers to.
struct References {
  std::vector<Oid> strong;  // each once, in order of first occurrence
  // Persistent ids that name no object of this database and were left out: weak, of other
  // databases, or of a form nobody can follow.
  std::size_t skipped = 0;
};

// Collects the persistent references of a ZODB record: two pickles, one after the other (class and
// state), of any protocol, as written by Python 2 or 3, also within zc.zlibstorage's `.z` prefix.
// Follows ZODB.serialize.referencesf: tuple (oid, class) and plain bytes or str oids count; lists
// (weak and cross-database) do not. Beyond it, oids that a call makes are followed as well:
// zodbpickle.binary and _codecs.encode, as Python 2 and older protocols wrote bytes. So are oids as
// text in Latin-1, of which referencesf makes an error: who wrote that meant the object, and to
// take it for garbage is worse than to keep it. Does not build the values: memory is bounded,
// whatever the record's size, and values nested without end do no harm. `out` is emptied first;
// reuse it to save allocations. An empty record has no references. Errors: corruption, when it is
// no such record, or unfolds to more than 256 MiB; what was found up to there stays in `out`.
// Thread: any.
[[nodiscard]] Result<> find_references(ByteView record, References& out);

}  // namespace zeolite::pickle
