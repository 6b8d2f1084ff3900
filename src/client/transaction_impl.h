#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "client/client_core.h"
#include "zeolite/client.h"

namespace zeolite::client {
inline namespace v1 {

// What a transaction read and wrote so far. Its ids are the library's own (zeolite::Oid).
//
// The base of a write (the revision it was made from) is whatever the snapshot holds: the snapshot
// never changes, so it can be looked up at any time, and reads need not be recorded.
class Transaction::Impl {
 public:
  using Id = ::zeolite::Oid;
  using Revision = client_core::ObjectCache::Revision;

  Impl(std::shared_ptr<client_core::ClientCore> core, client_core::ConnectionView::Point point)
      : core_(std::move(core)), snapshot_(point.tid), history_(point.history) {}

  enum class State {
    active,
    preparing,
    prepared,
    ended
  };
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] client_core::ClientCore& core() { return *core_; }
  [[nodiscard]] ::zeolite::Tid snapshot() const { return snapshot_; }
  // Throws UsageError when the transaction has ended or is being committed.
  void check_active() const;

  // What this transaction wrote to the object; nothing: it did not. A null record: removed.
  [[nodiscard]] std::optional<client_core::RecordPtr> own(Id oid) const;
  // From the cache. Throws DisconnectedError when the snapshot's history is gone.
  [[nodiscard]] std::optional<Revision> cached(Id oid);
  // The request for what the snapshot holds.
  [[nodiscard]] client_core::Request load_request(Id oid) const;
  [[nodiscard]] client_core::Request load_many_request(std::vector<Id> oids) const;
  // Takes the answer to it: the record, null when there is none.
  [[nodiscard]] client_core::RecordPtr take(Id oid, const client_core::LoadedRecord& record);

  void store(Id oid, client_core::RecordPtr data);
  void remove(Id oid);
  void read_current(Id oid);
  void made_new(Id oid) { new_oids_.insert(oid); }
  [[nodiscard]] TransactionMetadata& metadata() { return metadata_; }

  using Done = std::function<void(client_core::Answer)>;
  // Looks up the bases that are not known yet, then sends the transaction. The answer to a
  // transaction with nothing to commit is Committed with the snapshot.
  void send(client_core::Request::Kind kind, Done done);
  void send_finish(Done done);
  void abort() noexcept;

 private:
  struct Change {
    std::optional<::zeolite::Tid> base;  // nothing: to be looked up
    client_core::RecordPtr data;         // null: removed
  };
  struct Seen {
    Id oid;
    ::zeolite::Tid tid;
    bool set = false;
  };

  static constexpr std::size_t kSeen = 64;

  void check_history() const;
  [[nodiscard]] std::optional<::zeolite::Tid> known_base(Id oid);
  void see(Id oid, ::zeolite::Tid tid);
  void resolve_bases(client_core::Request::Kind kind, Done done);
  void submit(client_core::Request::Kind kind, Done done);
  void on_answer(client_core::Request::Kind kind, const client_core::Answer& answer);

  std::shared_ptr<client_core::ClientCore> core_;
  ::zeolite::Tid snapshot_;
  std::uint64_t history_;
  State state_ = State::active;
  TransactionMetadata metadata_;
  std::map<Id, Change> changes_;
  std::map<Id, std::optional<::zeolite::Tid>> reads_;
  std::set<Id> new_oids_;
  // Bases of objects loaded lately, by a hash of their oid: spares the look-up when the cache has
  // lost them meanwhile.
  std::unique_ptr<std::array<Seen, kSeen>> seen_;
  std::shared_ptr<const client_core::CommitRequest> prepared_;
  ::zeolite::CommitId commit_id_;
  ::zeolite::Tid begun_;
  std::uint64_t connection_ = 0;
};

}  // namespace v1
}  // namespace zeolite::client
