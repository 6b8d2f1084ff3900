#pragma once

#include <string>

#include "bench/load_generator/dialogue.h"
#include "bench/load_generator/object_choice.h"

namespace zeolite::bench {

// PostgreSQL's protocol 3.0 with trust authentication: one statement prepared at the start, then
// Bind, Execute and Sync in one write per transaction, parameters and results in binary.
// The table is `record (oid bigint primary key, tid bigint, data bytea)`, with a row for every oid.
class PostgresDialogue final : public Dialogue {
 public:
  PostgresDialogue(Work work, ObjectChoice choice, std::string user, std::string database)
      : work_(work),
        choice_(std::move(choice)),
        user_(std::move(user)),
        database_(std::move(database)) {}

  void begin(std::string& out) override;
  void request(std::string& out) override;
  [[nodiscard]] Step advance(std::string_view received) override;

 private:
  Work work_;
  ObjectChoice choice_;
  std::string user_;
  std::string database_;
  // ReadyForQuery comes after authentication, after the statement is prepared, and after each
  // transaction.
  int set_ups_left_ = 2;
  bool wrong_row_count_ = false;
};

}  // namespace zeolite::bench
