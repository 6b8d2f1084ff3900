#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zeolite/types.h"

namespace zeolite::cluster_test {

// What one operation of a client was, saw and came to. tests/cluster/README.md describes the line
// of JSON that it becomes.
struct Operation {
  enum class End {
    ok,
    fail,     // surely not committed
    unknown,  // it may be committed, and nobody could tell
  };
  std::string f;  // what it does: transfer, sum, ...
  std::uint64_t seq = 0;
  std::int64_t begin_ns = 0;  // CLOCK_MONOTONIC
  std::int64_t end_ns = 0;
  End end = End::fail;
  std::string why;  // it failed, or is not known

  bool standby = false;     // asked with the read preference for standbys
  bool synced = false;      // asked the server for news before it began its transaction
  client::Tid at_least;     // asked for a snapshot that has this; 0: did not
  bool learned = false;     // the answer was lost, and the outcome asked for
  client::Tid snapshot;     // 0: there was none
  client::Tid tid;          // of the commit
  std::uint64_t epoch = 0;  // of the server that answered; 0: not known for certain

  std::map<client::Oid, std::optional<std::string>> reads;
  std::map<client::Oid, std::string> writes;
  std::vector<client::Oid> current;  // checked with read_current
  std::map<client::Oid, std::vector<std::uint64_t>> appended;
};

// The text as a JSON string, with its quotes.
[[nodiscard]] std::string json_string(std::string_view text);
// `{"oid":"value",...}`; null for what does not exist.
[[nodiscard]] std::string json_objects(
    const std::map<client::Oid, std::optional<std::string>>& objects);

// A file of lines; each is whole on the disk's cache when write() returns, so that a killed process
// leaves at most one torn line. Thread: any.
class LineFile {
 public:
  // Empties the file. Throws std::runtime_error here and below when it cannot be written.
  explicit LineFile(const std::string& path);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  void write(std::string line);

 private:
  std::mutex mutex_;
  std::FILE* file_;
};

[[nodiscard]] std::string to_json(const std::string& client, const Operation& operation);

}  // namespace zeolite::cluster_test
