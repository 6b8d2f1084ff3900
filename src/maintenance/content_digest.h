#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "model/transaction_record.h"

namespace zeolite::maintenance {

// A hash over the logical content of a database: what a client can read of it, in tid order. Two
// stores with equal content have equal digests, whatever else they keep and in whichever order
// their transactions list their objects. BLAKE2b-512, cut to 16 bytes. Thread: one at a time.
class ContentDigest {
 public:
  ContentDigest();
  ~ContentDigest();
  ContentDigest(const ContentDigest&) = delete;
  ContentDigest& operator=(const ContentDigest&) = delete;

  // The next transaction, with its data. Of it count: tid, status, user, description, extension,
  // and each object's oid, kind, data or back tid, and blob.
  void add(const TransactionRecord& transaction);

  // 32 hexadecimal digits. Nothing may be added afterwards.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  void update(ByteView bytes);

  std::unique_ptr<State> state_;
};

}  // namespace zeolite::maintenance
