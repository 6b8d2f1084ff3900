#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "commit/staged_transaction.h"
#include "model/ids.h"
#include "zeo/message.h"

namespace zeolite::zeo {

// A transaction as a ZEO client builds it, call by call, until it votes.
//
// A vote that meets conflicts keeps it: the client resolves them, stores again and votes again. So
// the last store of an object counts, and staged() can be taken for every vote. Record bytes are
// shared, not copied.
//
// Thread: its session's. Owner: the session.
class Transaction {
 public:
  explicit Transaction(Value id) : id_(std::move(id)) {}

  // What the caller has to find out before the transaction can be submitted.
  struct RestoredFrom {
    std::size_t write = 0;  // index in staged().writes
    Tid source;             // the record may repeat the object's at this tid
  };

  [[nodiscard]] const Value& id() const { return id_; }

  TransactionMetadata metadata;
  std::optional<Tid> fixed_tid;  // a copied transaction keeps its tid
  char status = ' ';

  void store(Oid oid, Tid base, Bytes data);
  // A copied record: not checked against what is there. `data` nothing: the object does not exist.
  void restore(Oid oid, std::optional<Bytes> data, Tid source);
  void remove(Oid oid, Tid base);
  // As in FileStorage nothing is ever read at kNoTid, whether the object is there or not: such a
  // check is one of kNeverRead, which is the tid of no revision.
  void check_read(Oid oid, Tid tid);
  static constexpr Tid kNeverRead{UINT64_MAX};
  void undo(Tid tid) { undos_.push_back(tid); }
  // The store of this object carries the blob that was uploaded last for it, until it is removed or
  // restored instead.
  void attach_blob(Oid oid);

  // A message of `bytes` is part of it: all that was sent counts, whatever of it is kept.
  void add_message(std::uint64_t bytes) {
    if (messages_ == 0) begun_bytes_ = bytes;
    bytes_ += bytes;
    ++messages_;
  }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // It cannot be committed any more: lets go of all but what it was begun with, the first message.
  void drop();
  [[nodiscard]] bool dropped() const { return dropped_; }
  // How much memory it takes, about.
  [[nodiscard]] std::uint64_t held() const { return bytes_ + messages_ * kMessageOverhead; }
  [[nodiscard]] const std::vector<commit::StagedWrite>& writes() const { return writes_; }
  // Whether `oid` is to be removed by it.
  [[nodiscard]] bool removes(Oid oid) const;

  [[nodiscard]] const std::vector<Tid>& undos() const { return undos_; }
  // In the order of the writes.
  [[nodiscard]] std::vector<RestoredFrom> restored() const;
  [[nodiscard]] const std::set<Oid>& blobs() const { return blobs_; }
  // The record that this transaction stores for `oid`; nothing when it stores none.
  [[nodiscard]] std::optional<Bytes> data_of(Oid oid) const;
  // Of what it does with `oid` in writes(), and in staged().writes.
  [[nodiscard]] std::optional<std::size_t> place_of(Oid oid) const;

  // As the coordinator takes it, without the undos.
  [[nodiscard]] commit::StagedTransaction staged() const;

 private:
  // What is kept for a message beside its bytes: a write with its place in an index.
  static constexpr std::uint64_t kMessageOverhead = 256;

  commit::StagedWrite& write(Oid oid);

  Value id_;
  std::vector<commit::StagedWrite> writes_;  // in the order of the first store
  std::unordered_map<Oid, std::size_t> index_;
  std::vector<commit::ReadCheck> reads_;
  std::unordered_map<Oid, std::size_t> read_index_;
  std::vector<Tid> undos_;
  std::map<std::size_t, Tid> restored_;  // RestoredFrom
  std::set<Oid> blobs_;
  std::uint64_t begun_bytes_ = 0;  // of the first message
  std::uint64_t bytes_ = 0;
  std::uint64_t messages_ = 0;
  bool dropped_ = false;
};

}  // namespace zeolite::zeo
