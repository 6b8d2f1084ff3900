#include "maintenance/transaction_cursor.h"

namespace zeolite::maintenance {

Result<const LogEntry*> TransactionCursor::next() {
  while (true) {
    while (at_ < batch_.size()) {
      const LogEntry& entry = batch_[at_++];
      after_ = entry.position.tid;
      if (entry.kind == RecordKind::transaction) return &entry;
    }
    if (after_ >= until_) return nullptr;
    ASSIGN_OR_RETURN(batch_, store_.read_log(after_, until_, {}));
    at_ = 0;
    if (batch_.empty()) after_ = until_;
  }
}

}  // namespace zeolite::maintenance
