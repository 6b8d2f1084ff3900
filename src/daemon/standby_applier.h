#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "blobs/staging.h"
#include "commit/commit_effects.h"
#include "daemon/storage_engine.h"
#include "model/ids.h"
#include "wire/messages_replication.h"

namespace zeolite::daemon {

// Appends to a standby's store what the primary sends, and shows its readers what they may see.
//
// Groups that have gathered while one was being synced are appended as one. Each must follow the
// one before, the first the end of the log, chain included; so two histories are never joined. If
// one does not, none of those that are appended with it is.
//
// While the disk is full, what was given waits and is tried again, as the primary's log writer
// does; nothing is acknowledged meanwhile, so the primary lets this standby go and may take it
// back.
//
// Thread: one of its own appends; the public functions are called by one other, which is told of
// the ends through `tell` (called on the own thread). Owner: the ReplicationService.
class StandbyApplier {
 public:
  struct Events {
    std::function<void(Position last)> appended;  // durable up to here
    // A group does not follow the log: it is dropped, and what comes until resume().
    std::function<void(Error why)> mismatched;
    std::function<void(Error why)> failed;  // nothing can be appended any more
    // The disk is full: it waits. And nothing: there is space again, and it goes on.
    std::function<void(std::optional<Error> why)> starved;
    std::function<void(Result<Position> end)> rolled_back;
  };

  // `engine` follows, and outlives this.
  StandbyApplier(StorageEngine& engine, Events events);
  // Appends what it has been given, if there is space for it, and stops.
  ~StandbyApplier();

  // A blob of a group, complete and not sealed.
  struct ReceivedBlob {
    Oid oid;
    Tid tid;
    std::shared_ptr<blobs::StagedBlob> file;
  };
  // `blobs`: one for each write of the group that has a blob; sealed before the group is appended.
  void append(wire::ReplicaAppend group, std::vector<ReceivedBlob> blobs);
  // After a mismatch: groups of a new connection are taken again.
  void resume();
  // Bytes of records that wait to be appended, and something for each open file of a blob.
  [[nodiscard]] std::size_t queued_bytes() const;
  // Readers may see what is durable up to `visible`. (A removal tells by itself that they may see
  // the pack record that it belongs to, and is not appended before they do.)
  void show(Tid visible);
  // What is done beside an undo, on the own thread.
  struct BesideUndo {
    std::function<Result<>(Position to)> archive;  // before it; it has to succeed
    std::function<void()> tidy = {};               // after it; may be empty
  };
  // Undoes what is after `to`, when what was given before is appended.
  // Errors of rolled_back: not_found (`to` is not in the log), conflict (a pack removed what would
  // have to come back), io_error. Not told when this is ended while the disk is full.
  void rollback(Position to, BesideUndo beside);

 private:
  struct Task {
    std::vector<wire::ReplicaAppend> groups;
    std::vector<ReceivedBlob> blobs;
    std::size_t bytes = 0;
    bool removes = false;  // the last group removes revisions
    std::function<void()> other;
  };

  void main();
  template <typename Step>
  [[nodiscard]] auto when_there_is_space(Step step) -> decltype(step());
  [[nodiscard]] Result<Position> undo(const Position& to, const BesideUndo& beside);
  void mismatch(Error why);
  [[nodiscard]] bool take(Task& task);
  void append_groups(Task& task);
  [[nodiscard]] std::span<TransactionRecord> before_next_removal(
      std::span<TransactionRecord> records);
  [[nodiscard]] bool append_part(std::span<TransactionRecord> records);
  [[nodiscard]] Result<> check_chain(const std::vector<wire::ReplicaAppend>& groups) const;
  [[nodiscard]] static Result<> seal_blobs(std::vector<ReceivedBlob>& blobs,
                                           std::vector<TransactionRecord>& records);
  [[nodiscard]] std::uint64_t objects_gone(std::span<const TransactionRecord> records) const;
  void remember(std::span<const TransactionRecord> records);
  [[nodiscard]] std::vector<commit::CommitEffects::Publish> first_shown(Tid visible) const;
  [[nodiscard]] Result<> remember_found(Tid visible);

  StorageEngine& engine_;
  const Events events_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;                              // with mutex_
  std::size_t queued_bytes_ = 0;                        // with mutex_
  bool mismatched_ = false;                             // with mutex_
  bool stopping_ = false;                               // with mutex_
  std::deque<commit::CommitEffects::Publish> unshown_;  // durable, appended here; with mutex_
  Tid found_end_;  // of what was in the log before all that; with mutex_
  std::mutex show_mutex_;
  bool shown_ = false;  // something was; with show_mutex_
  std::thread thread_;  // last: ends before what it uses
};

}  // namespace zeolite::daemon
