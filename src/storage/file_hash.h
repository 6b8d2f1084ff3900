#pragma once

#include <memory>

#include "base/bytes.h"
#include "model/ids.h"

namespace zeolite::storage {

// A hash of a file's content while it comes by, to see that a copy is whole: XXH3, 128 bits,
// canonical form. It is quick and finds every accident; it is no proof against a forger, which a
// server that one copies from need not be. Thread: one at a time.
class FileHash {
 public:
  FileHash();
  ~FileHash();
  FileHash(FileHash&&) noexcept;
  FileHash& operator=(FileHash&&) noexcept;

  void update(ByteView bytes);
  // Of all that was passed to update() so far.
  [[nodiscard]] Id128 finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace zeolite::storage
