#pragma once

#include <memory>

#include "base/bytes.h"
#include "model/transaction_record.h"

namespace zeolite::blobs {

// The size and hash of a blob's content while it comes by: BLAKE2b-512, cut to 16 bytes, as
// everywhere in the log. Thread: one at a time.
class BlobHash {
 public:
  BlobHash();
  ~BlobHash();
  BlobHash(BlobHash&&) noexcept;
  BlobHash& operator=(BlobHash&&) noexcept;

  void update(ByteView bytes);
  // Of all that was passed to update(), which may not be called afterwards.
  [[nodiscard]] BlobInfo finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace zeolite::blobs
