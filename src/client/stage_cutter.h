#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "wire/messages.h"

namespace zeolite::client_core {

// What a message, a write and a read take in a body beside their bytes, rounded up.
inline constexpr std::size_t kMessageBytes = 512;
inline constexpr std::size_t kWriteBytes = 64;
inline constexpr std::size_t kReadBytes = 24;
// Stages are cut at this size, so that the server can begin with one while the next is on its way.
inline constexpr std::size_t kStageBytes = std::size_t{4} << 20;

// Cuts a transaction into the messages that carry it: fills one Stage after the other, each with at
// most `body_bytes`, or with one write that is larger. A value, used once.
class StageCutter {
 public:
  StageCutter(std::uint64_t number, std::size_t body_bytes)
      : number_(number), body_bytes_(body_bytes) {
    part_.number = number;
  }

  // Ends the stage at hand if so much more does not fit.
  void make_room(std::size_t bytes) {
    if (used_ == 0 || used_ + bytes <= body_bytes_) return;
    frames_.emplace_back(std::move(part_));
    part_ = wire::Stage{};
    part_.number = number_;
    used_ = 0;
  }
  void add(wire::WireWrite write) {
    take(kWriteBytes + write.data.size());
    part_.writes.push_back(std::move(write));
  }
  void add(const wire::WireRead& read) {
    take(kReadBytes);
    part_.reads.push_back(read);
  }
  // The stages, then `last` (a Commit or a Vote) with what is left.
  template <typename Last>
  [[nodiscard]] std::vector<wire::Message> finish(Last last) && {
    last.writes = std::move(part_.writes);
    last.reads = std::move(part_.reads);
    frames_.emplace_back(std::move(last));
    return std::move(frames_);
  }

 private:
  void take(std::size_t bytes) {
    make_room(bytes);
    used_ += bytes;
  }

  std::uint64_t number_;
  std::size_t body_bytes_;
  std::vector<wire::Message> frames_;
  wire::Stage part_;
  std::size_t used_ = 0;
};

}  // namespace zeolite::client_core
