#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace zeolite::bench {

// Which object a client asks for next, and the bytes it writes: client i of n walks the oids i,
// i + n, i + 2n, ... below `objects`, so that clients never conflict. Bytes are random, so that no
// server gains by compressing them; the first eight differ from request to request.
class ObjectChoice {
 public:
  // `objects` must be at least `clients`, `record_bytes` at least 8.
  ObjectChoice(std::uint64_t client, std::uint64_t clients, std::uint64_t objects,
               std::size_t record_bytes)
      : clients_(clients), objects_(objects), first_(client), next_(client) {
    std::mt19937_64 random(client + 1);
    record_.resize(record_bytes);
    for (char& c : record_) c = static_cast<char>(random());
  }

  [[nodiscard]] std::uint64_t next_oid() {
    const std::uint64_t oid = next_;
    next_ += clients_;
    if (next_ >= objects_) next_ = first_;
    return oid;
  }

  // Valid until the next call.
  [[nodiscard]] const std::string& next_record() {
    ++serial_;
    for (unsigned i = 0; i < 8; ++i) record_[i] = static_cast<char>(serial_ >> (8 * i));
    return record_;
  }

  [[nodiscard]] std::uint64_t serial() const { return serial_; }

 private:
  std::uint64_t clients_;
  std::uint64_t objects_;
  std::uint64_t first_;
  std::uint64_t next_;
  std::uint64_t serial_ = 0;
  std::string record_;
};

// What a client does in every request.
enum class Work {
  commit,
  load
};

}  // namespace zeolite::bench
