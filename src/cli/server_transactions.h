#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "cli/native_session.h"
#include "maintenance/transaction_source.h"
#include "wire/messages.h"

namespace zeolite::cli {

// The transactions of a running server as of the line when the session began, while it goes on
// serving. The log is read in large pieces, the records of several transactions are asked for at
// once: one request a transaction, unless it is large.
//
// A pack on the server may take revisions away meanwhile; they are left out like those that were
// gone before. Memory: what is under way, about 16 MiB, and one transaction.
// Thread: one at a time.
class ServerTransactions final : public maintenance::TransactionSource {
 public:
  // `session` outlives this.
  explicit ServerTransactions(NativeSession& session);

  [[nodiscard]] Result<std::optional<TransactionRecord>> next() override;
  [[nodiscard]] Result<Bytes> load(Oid oid, Tid tid) override;
  // Bytes of the revision's blob from `offset` on; nothing only at its end. Error not_found: it was
  // packed away meanwhile.
  [[nodiscard]] Result<Bytes> load_blob(Oid oid, Tid tid, std::uint64_t offset);
  [[nodiscard]] Tid until() const override { return until_; }
  [[nodiscard]] std::uint64_t packed_records() const override { return packed_records_; }

 private:
  // A request for the records of writes [begin, end) of a transaction.
  struct Request {
    std::uint32_t id = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::uint64_t bytes = 0;  // of the answer, about
  };
  // A transaction whose records are on their way.
  struct Coming {
    wire::LogReply::Item item;
    std::size_t asked = 0;  // of the item's objects
    std::deque<Request> requests;
    std::vector<ObjectWrite> writes;
    std::size_t taken = 0;  // of the item's objects, now in `writes` or gone
  };

  [[nodiscard]] Result<> read_log();
  [[nodiscard]] Result<> ask_ahead();
  void ask(Coming& coming);
  [[nodiscard]] Result<> take(Coming& coming);
  [[nodiscard]] Result<> take_records(Coming& coming, std::span<wire::Loaded> records);

  NativeSession& session_;
  const Tid until_;
  Tid after_;                                 // the log is read up to here
  std::optional<std::uint32_t> log_request_;  // for what follows
  std::deque<wire::LogReply::Item> log_;      // read, not asked for
  std::deque<Coming> coming_;
  std::size_t requests_ = 0;  // under way
  std::uint64_t bytes_ = 0;   // of their answers, about
  std::uint64_t packed_records_ = 0;
};

}  // namespace zeolite::cli
