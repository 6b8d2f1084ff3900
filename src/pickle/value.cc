#include "pickle/value.h"

namespace zeolite::pickle {

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    const Text* text = name.get<Text>();
    if (text != nullptr && text->utf8 == key) return &value;
  }
  return nullptr;
}

}  // namespace zeolite::pickle
