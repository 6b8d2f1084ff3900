#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "wire/message_type.h"

// Loads and the walk over current objects; see wire/messages.h.
namespace zeolite::wire {

// The newest revision with tid < before, as of the line. before == kMaxTid: current. Answer:
// loaded.
struct Load {
  static constexpr MessageType kType = MessageType::load;
  Oid oid;
  Tid before = kMaxTid;
  friend bool operator==(const Load&, const Load&) = default;
};
// The revision written exactly at tid. Answer: loaded, `end` not set.
struct LoadSerial {
  static constexpr MessageType kType = MessageType::load_serial;
  Oid oid;
  Tid tid;
  friend bool operator==(const LoadSerial&, const LoadSerial&) = default;
};
enum class LoadedStatus : std::uint8_t {
  found = 0,
  unknown = 1,
  not_yet = 2,
  deleted = 3
};
struct Loaded {
  static constexpr MessageType kType = MessageType::loaded;
  LoadedStatus status = LoadedStatus::unknown;
  Bytes data;
  Tid tid;
  Tid end;  // tid of the next revision; 0: this one is current as of the line
  friend bool operator==(const Loaded&, const Loaded&) = default;
};
// Several loads at one line; at most 10,000. The answer holds one Loaded each, in order, but may
// stop early (fewer entries, at least one) so as to fit a frame: ask again for the rest.
struct LoadMany {
  static constexpr MessageType kType = MessageType::load_many;
  std::vector<Oid> oids;
  Tid before = kMaxTid;
  friend bool operator==(const LoadMany&, const LoadMany&) = default;
};
struct LoadedMany {
  static constexpr MessageType kType = MessageType::loaded_many;
  std::vector<Loaded> items;
  friend bool operator==(const LoadedMany&, const LoadedMany&) = default;
};
// Objects with a current revision, from oid `from` on; at most `count` (1..10,000). `next` 0 = end.
struct Walk {
  static constexpr MessageType kType = MessageType::walk;
  Oid from;
  std::uint32_t count = 1000;
  friend bool operator==(const Walk&, const Walk&) = default;
};
struct Walked {
  static constexpr MessageType kType = MessageType::walked;
  struct Item {
    Oid oid;
    Tid tid;
    friend bool operator==(const Item&, const Item&) = default;
  };
  std::vector<Item> items;
  Oid next;
  friend bool operator==(const Walked&, const Walked&) = default;
};

// A part of the blob of the revision written exactly at tid: `length` bytes (1 to 1 MiB) from
// `offset` on, which is at most the blob's size. Error not_found: that revision has no blob, or is
// gone. Answer: blob_part.
struct LoadBlob {
  static constexpr MessageType kType = MessageType::load_blob;
  static constexpr std::uint32_t kLengthMax = 1U << 20;
  Oid oid;
  Tid tid;
  std::uint64_t offset = 0;
  std::uint32_t length = kLengthMax;
  friend bool operator==(const LoadBlob&, const LoadBlob&) = default;
};
// May hold less than was asked for, but nothing only at the blob's end.
struct BlobPart {
  static constexpr MessageType kType = MessageType::blob_part;
  BlobInfo blob;  // the whole of it
  Bytes data;
  friend bool operator==(const BlobPart&, const BlobPart&) = default;
};

}  // namespace zeolite::wire
