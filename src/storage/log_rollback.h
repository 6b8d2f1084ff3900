#pragma once

#include "base/error.h"
#include "model/ids.h"
#include "storage/object_store.h"
#include "storage/record_codec.h"

// What undoing the end of a log means; shared by all stores, so that they agree. Only reads.
// Thread: any, while nothing is appended. Errors of both besides their own: those of reading.
namespace zeolite::storage {

// Whether all entries after `to` can be undone. Errors: invalid_argument (`to` is neither zero nor
// in the log), conflict (removals lie after it; what they took cannot be brought back).
[[nodiscard]] Result<> check_undoable(const ObjectStore& store, const Position& to);

// The marks of the log once it ends at `to`; `marks` are those of the longer one.
//
// Two of them do not go back all the way. Oids that were handed out stay so. The outcome horizon
// stays as far as the log still reaches: what is at or below it may be forgotten already, and
// must not be taken for something that never was.
[[nodiscard]] Result<Marks> marks_at(const ObjectStore& store, const Position& to, Marks marks);

}  // namespace zeolite::storage
