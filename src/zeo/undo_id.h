#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "model/ids.h"

namespace zeolite::zeo {

// The name by which undoLog tells a transaction and undoa asks for it: the tid in base64, without
// a line end, as FileStorage writes it.
[[nodiscard]] std::string undo_id(Tid tid);
// The reverse; also takes the 8 bytes of the tid. Nothing for anything else.
[[nodiscard]] std::optional<Tid> parse_undo_id(ByteView id);

}  // namespace zeolite::zeo
