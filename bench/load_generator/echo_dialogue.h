#pragma once

#include "bench/load_generator/dialogue.h"
#include "bench/load_generator/object_choice.h"

namespace zeolite::bench {

// Sends a record and wants the same number of bytes back: the machine's own round trip.
class EchoDialogue final : public Dialogue {
 public:
  EchoDialogue(ObjectChoice choice, std::size_t record_bytes)
      : choice_(std::move(choice)), record_bytes_(record_bytes) {}

  void begin(std::string& /*out*/) override {}
  void request(std::string& out) override { out += choice_.next_record(); }
  [[nodiscard]] Step advance(std::string_view received) override {
    if (received.size() < record_bytes_) return {};
    return {Step::Kind::reply, record_bytes_, {}};
  }

 private:
  ObjectChoice choice_;
  std::size_t record_bytes_;
};

}  // namespace zeolite::bench
