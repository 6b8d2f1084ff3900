#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/ids.h"

namespace zeolite {

// A record as ZODB writes it with pickle protocol 2: a class, then a state that holds `text` and
// refers to other objects, strongly (tuples of oid and class) or weakly. `text`: at most 255 bytes.
[[nodiscard]] inline std::string zodb_record(std::string_view text, const std::vector<Oid>& strong,
                                             const std::vector<Oid>& weak = {}) {
  using namespace std::string_literals;
  const auto short_string = [](std::string_view bytes) {
    return "U" + std::string(1, static_cast<char>(bytes.size())) + std::string(bytes);
  };
  const auto oid_string = [&short_string](Oid oid) {
    std::string bytes;
    put_oid(bytes, oid);
    return short_string(bytes);
  };
  std::string record =
      "\x80\x02"
      "cpersistent.mapping\nPersistentMapping\n."s;
  record += "\x80\x02("s + short_string(text);
  for (const Oid oid : strong) record += oid_string(oid) + "cmodule\nClass\n\x86Q";
  for (const Oid oid : weak) {
    record += "]("s + short_string("w") + oid_string(oid) +
              "\x85"
              "eQ";
  }
  return record + "t.";
}

}  // namespace zeolite
