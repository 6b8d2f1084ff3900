#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "cluster/history_arguments.h"
#include "cluster/operation_log.h"
#include "cluster/stop.h"
#include "zeolite/zeolite.h"

namespace zeolite::cluster_test {

// A transaction that writes down what it reads and writes.
class Attempt {
 public:
  Attempt(client::Transaction& transaction, Operation& operation, std::string id)
      : transaction_(transaction), operation_(operation), id_(std::move(id)) {}

  // Names this operation for ever: "CLIENT/SEQ". The transaction carries it in the log.
  [[nodiscard]] const std::string& id() const { return id_; }
  // Values at the snapshot; to be read before they are written. Nothing: does not exist.
  std::vector<std::optional<std::string>> read(std::span<const client::Oid> oids);
  void write(client::Oid oid, std::string value);
  void read_current(client::Oid oid);
  // Notes that the value written to `oid` is the one read, with these elements appended.
  void note_appended(client::Oid oid, std::vector<std::uint64_t> elements);

 private:
  client::Transaction& transaction_;
  Operation& operation_;
  std::string id_;
};

// The objects that a workload needs are not there: nobody ran it with --init.
class MissingObjects : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One client of the history: runs operations, one at a time, and writes each down as it ends.
//
// No operation lasts longer than about 13 s after the stop was requested, whatever the servers do.
// Thread: one at a time.
class Participant {
 public:
  // The log and the stop must outlive it. `name` is unique among all processes of a test.
  Participant(const Arguments& arguments, std::string name, std::uint64_t index, LineFile& log,
              Stop& stop);

  enum class Server {
    primary,
    standby  // only for reading; the primary when there is none
  };
  // What reads go to, as the command line says.
  [[nodiscard]] Server reads() const { return standby_ ? Server::standby : Server::primary; }

  // Runs `body` once in a transaction, commits what it wrote, and records it as operation `f`.
  // What became of a commit whose answer was lost is asked for. Library errors end up in the
  // record, others are thrown.
  Operation::End act(const std::string& f, Server server,
                     const std::function<void(Attempt&)>& body);

  [[nodiscard]] std::uint64_t index() const { return index_; }
  // Below `limit`.
  [[nodiscard]] std::uint64_t random(std::uint64_t limit) { return random_() % limit; }
  [[nodiscard]] bool chance(std::uint64_t percent) { return random(100) < percent; }

 private:
  void run(client::Client& client, Operation& operation, const std::function<void(Attempt&)>& body);
  void catch_up(client::Client& client, Operation& operation);
  void commit(client::Transaction& transaction, Operation& operation);
  void learn_outcome(const client::CommitId& id, Operation& operation);

  std::string name_;
  std::uint64_t index_;
  LineFile& log_;
  Stop& stop_;
  std::mt19937_64 random_;
  client::Client primary_;
  std::optional<client::Client> standby_;
  std::uint64_t seq_ = 0;
  client::Tid last_commit_;
};

}  // namespace zeolite::cluster_test
