#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/ids.h"

namespace zeolite::replication {

// One standby's copy over one connection, from its request to its end. Chosen by the owner, never
// used twice.
using CopyUser = std::uint64_t;

// Which checkpoint of the own database each standby is sent that asks for a copy, and how long
// checkpoints are kept. One that was made lately is shared by who asks meanwhile; a copy goes on
// with the checkpoint it was begun with and with no other. A checkpoint stays while somebody is
// sent it, and a while longer for those that were cut off; its files keep space that the database
// would give back.
//
// A standby is given none that lacks anything it must have, which its request tells: what it has
// confirmed is in what replaces its log.
//
// Sans-IO, deterministic. Thread: replication's. Owner: daemon's OutgoingCheckpoints.
class CheckpointShelf {
 public:
  struct Options {
    std::size_t count_max = 3;  // further standbys share one that is there, or are refused
    Duration shared_for = std::chrono::minutes(2);  // from when it is made
    Duration kept_for = std::chrono::minutes(5);    // for those that were cut off
  };

  // To be carried out in order.
  struct Give {
    CopyUser user = 0;
    Id128 id{};
  };
  struct Refuse {
    CopyUser user = 0;
    std::string why;
  };
  // Answer: made() or not_made(). One is asked for at a time.
  struct Make {};
  struct Remove {
    Id128 id{};
  };
  using Effect = std::variant<Give, Refuse, Make, Remove>;
  using Effects = std::vector<Effect>;

  explicit CheckpointShelf(Options options) : options_(options) {}

  // A standby wants a copy of everything up to `from` and more. `resumed`: that it has parts of;
  // zero: of none.
  void ask(CopyUser user, const Id128& resumed, const Position& from, Instant now,
           Effects& effects);
  // It will not be sent any more. `complete`: it has all. Of one that is not known: nothing.
  void ended(CopyUser user, bool complete, Instant now, Effects& effects);
  void made(const Id128& id, const Position& position, Instant now, Effects& effects);
  void not_made(const std::string& why, Effects& effects);
  // A part of it is not there any more: nobody is given it again.
  void spoiled(const Id128& id, Effects& effects);
  // The end of the own log was undone: what was made before may have what is not in it any more.
  void log_undone(Effects& effects);
  void tick(Instant now, Effects& effects);

 private:
  struct Kept {
    Position position;
    Instant made_at{};
    std::set<CopyUser> users{};
    std::size_t cut_off = 0;  // users that may come back
    Instant cut_off_at{};     // the last of them
    bool spoiled = false;
  };
  struct Waiting {
    Position from;
    bool asked_before = false;  // the one that is being made
  };
  using Checkpoints = std::map<Id128, Kept>;

  [[nodiscard]] Checkpoints::iterator newest_for(const Position& from,
                                                 std::optional<Instant> since);
  [[nodiscard]] bool make_room(Effects& effects);
  void make_for_waiting(Effects& effects);
  void give(CopyUser user, Checkpoints::iterator kept, Effects& effects);
  Checkpoints::iterator remove(Checkpoints::iterator kept, Effects& effects);

  Options options_;
  Checkpoints kept_;
  std::map<CopyUser, Waiting> waiting_;
  bool making_ = false;
  bool made_in_vain_ = false;  // the log was undone meanwhile
};

}  // namespace zeolite::replication
