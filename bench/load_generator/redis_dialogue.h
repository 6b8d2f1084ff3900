#pragma once

#include "bench/load_generator/dialogue.h"
#include "bench/load_generator/object_choice.h"

namespace zeolite::bench {

// RESP: SET of one record for a commit, GET for a load. Keys are "o" and the oid in decimal.
class RedisDialogue final : public Dialogue {
 public:
  RedisDialogue(Work work, ObjectChoice choice) : work_(work), choice_(std::move(choice)) {}

  void begin(std::string& out) override;
  void request(std::string& out) override;
  [[nodiscard]] Step advance(std::string_view received) override;

 private:
  Work work_;
  ObjectChoice choice_;
};

}  // namespace zeolite::bench
