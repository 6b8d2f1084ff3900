#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace zeolite::protocol {

// 64 bits for any bytes; never 0.
std::uint64_t fingerprint(const void* data, std::size_t size);

// A set of fingerprints, each with the one it was reached from: 16 bytes for each in open
// addressing, at most three quarters full.
class FingerprintTable {
 public:
  FingerprintTable();

  // Whether it was new. The parent of the first is 0.
  bool insert(std::uint64_t print, std::uint64_t parent);
  // Precondition (CHECKed): it was inserted.
  [[nodiscard]] std::uint64_t parent_of(std::uint64_t print) const;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Slot {
    std::uint64_t print = 0;
    std::uint64_t parent = 0;
  };
  [[nodiscard]] std::size_t slot_of(std::uint64_t print) const;
  void grow();

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace zeolite::protocol
