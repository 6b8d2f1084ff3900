#include "daemon/log_news.h"

namespace zeolite::daemon {

Result<std::vector<commit::CommitEffects::Publish>> log_news(const storage::ObjectStore& store,
                                                             Tid after, Tid until) {
  std::vector<commit::CommitEffects::Publish> published;
  while (after < until) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store.read_log(after, until, {}));
    if (entries.empty()) break;
    for (const LogEntry& entry : entries) {
      after = entry.position.tid;
      commit::CommitEffects::Publish& news = published.emplace_back();
      news.tid = after;
      news.kind = entry.kind;
      if (entry.kind != RecordKind::transaction) continue;
      for (const ObjectSummary& object : entry.objects) news.oids.push_back(object.oid);
    }
  }
  return published;
}

}  // namespace zeolite::daemon
