#include "protocol/fingerprint_table.h"

#include <xxhash.h>

#include <utility>

#include "base/check.h"

namespace zeolite::protocol {

std::uint64_t fingerprint(const void* data, std::size_t size) {
  const std::uint64_t hash = XXH3_64bits(data, size);
  return hash != 0 ? hash : 1;
}

FingerprintTable::FingerprintTable() : slots_(1024) {}

bool FingerprintTable::insert(std::uint64_t print, std::uint64_t parent) {
  if (size_ >= slots_.size() / 4 * 3) {
    grow();
  }
  Slot& slot = slots_[slot_of(print)];
  if (slot.print == print) {
    return false;
  }
  slot = {print, parent};
  ++size_;
  return true;
}

std::uint64_t FingerprintTable::parent_of(std::uint64_t print) const {
  const Slot& slot = slots_[slot_of(print)];
  CHECK(slot.print == print, "the fingerprint was inserted");
  return slot.parent;
}

std::size_t FingerprintTable::slot_of(std::uint64_t print) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = print & mask;
  while (slots_[at].print != 0 && slots_[at].print != print) {
    at = (at + 1) & mask;
  }
  return at;
}

void FingerprintTable::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  for (const Slot& slot : old) {
    if (slot.print != 0) {
      slots_[slot_of(slot.print)] = slot;
    }
  }
}

}  // namespace zeolite::protocol
