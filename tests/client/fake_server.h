#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/ids.h"
#include "wire/messages.h"

namespace zeolite::client_core::testing {

// A server in memory that speaks the native protocol's messages: one storage, one connection, and
// commits by others on demand. Replies are queued in the order in which a server sends them; the
// test takes them out when it wants.
class FakeServer {
 public:
  struct Outgoing {
    std::uint32_t request_id = 0;
    wire::Message message;
  };

  // A new connection; what was queued for the last one is lost.
  void connect() {
    outgoing.clear();
    staged_.clear();
    voted_.clear();
  }

  void receive(std::uint32_t id, const wire::Message& message) {
    received.push_back(message);
    std::visit([&](const auto& m) { on(id, m); }, message);
  }

  // A commit by somebody else; queues its invalidation when there is a connection.
  Tid commit_elsewhere(const std::map<Oid, std::optional<std::string>>& writes,
                       bool invalidate = true) {
    const Tid tid = apply(writes);
    if (invalidate) {
      std::vector<Oid> oids;
      for (const auto& [oid, data] : writes) oids.push_back(oid);
      outgoing.push_back({0, wire::Invalidate{tid, oids, true}});
    }
    return tid;
  }
  Tid put(Oid oid, const std::string& data) { return commit_elsewhere({{oid, data}}); }

  [[nodiscard]] std::optional<std::string> current(Oid oid) const {
    const auto found = objects.find(oid);
    if (found == objects.end() || found->second.empty()) return std::nullopt;
    return found->second.rbegin()->second;
  }

  template <typename M>
  [[nodiscard]] std::size_t count_received() const {
    std::size_t count = 0;
    for (const wire::Message& message : received) count += std::holds_alternative<M>(message);
    return count;
  }

  // Knobs.
  wire::NodeRole role = wire::NodeRole::primary;
  Epoch epoch{1};
  Id128 cluster_id{7};
  std::uint32_t body_max = 1 << 20;
  std::uint64_t transaction_bytes_max = 8 << 20;
  bool position_known = true;  // false: answers cache_valid = false
  bool lose_commit = false;    // the next commit does not reach the server
  bool hold_outcome = false;   // outcomes are answered as pending
  bool expire_outcomes = false;
  std::optional<Error> refuse_commit;  // the next commit is answered by this
  std::optional<wire::ErrorReply> refuse_hello;
  std::size_t load_many_max = 10'000;

  // State.
  std::deque<Outgoing> outgoing;
  std::vector<wire::Message> received;
  Tid visible{100};
  std::map<Oid, std::map<Tid, std::optional<std::string>>> objects;
  std::map<std::uint64_t, Tid> outcomes;  // by number; kNoTid: aborted
  std::map<Tid, std::vector<Oid>> log;
  Oid next_oid{1000};

 private:
  Tid apply(const std::map<Oid, std::optional<std::string>>& writes) {
    visible = Tid(visible.value() + 10);
    for (const auto& [oid, data] : writes) {
      objects[oid][visible] = data;
      log[visible].push_back(oid);
    }
    return visible;
  }

  template <typename M>
  void reply(std::uint32_t id, M message) {
    outgoing.push_back({id, std::move(message)});
  }

  void on(std::uint32_t, const wire::Hello& hello) {
    if (refuse_hello) return reply(0, *refuse_hello);
    const bool valid = position_known && !hello.cache.tid.is_zero() && hello.cache.tid <= visible;
    if (valid) {
      std::set<Oid> changed;
      for (const auto& [tid, oids] : log) {
        if (tid > hello.cache.tid) changed.insert(oids.begin(), oids.end());
      }
      if (!changed.empty()) {
        reply(0, wire::Invalidate{visible, {changed.begin(), changed.end()}, true});
      }
    }
    wire::Welcome welcome;
    welcome.cluster_id = cluster_id;
    welcome.node = "fake";
    welcome.role = role;
    welcome.epoch = epoch;
    welcome.visible = Position{epoch, visible, {}};
    welcome.cache_valid = valid;
    welcome.body_max = body_max;
    welcome.transaction_bytes_max = transaction_bytes_max;
    reply(0, welcome);
  }

  [[nodiscard]] wire::Loaded load(Oid oid, Tid before) const {
    wire::Loaded loaded;
    const auto object = objects.find(oid);
    if (object == objects.end()) return loaded;
    const auto next = object->second.lower_bound(before);
    if (next == object->second.begin()) {
      loaded.status = wire::LoadedStatus::not_yet;
      return loaded;
    }
    const auto revision = std::prev(next);
    loaded.tid = revision->first;
    loaded.end = next == object->second.end() ? kNoTid : next->first;
    loaded.status = revision->second ? wire::LoadedStatus::found : wire::LoadedStatus::deleted;
    if (revision->second) loaded.data = Bytes(*revision->second);
    return loaded;
  }
  void on(std::uint32_t id, const wire::Load& m) { reply(id, load(m.oid, m.before)); }
  void on(std::uint32_t id, const wire::LoadMany& m) {
    wire::LoadedMany many;
    for (const Oid oid : m.oids) {
      if (many.items.size() == load_many_max) break;
      many.items.push_back(load(oid, m.before));
    }
    reply(id, std::move(many));
  }
  void on(std::uint32_t id, const wire::Ping& m) { reply(id, wire::Pong{m.payload, visible}); }

  // Time stands still here: what is not there will not come in time.
  void on(std::uint32_t id, const wire::Await& m) {
    if (m.at_least <= visible) return reply(id, wire::Pong{{}, visible});
    reply(id, wire::ErrorReply{{ErrorCode::timeout, "not in time"}});
  }

  void on(std::uint32_t, const wire::Stage& m) {
    wire::Commit& staged = staged_[m.number];
    staged.writes.insert(staged.writes.end(), m.writes.begin(), m.writes.end());
    staged.reads.insert(staged.reads.end(), m.reads.begin(), m.reads.end());
  }
  [[nodiscard]] wire::Commit whole(const wire::CommitBody& last) {
    wire::Commit all = std::exchange(staged_[last.number], {});
    all.number = last.number;
    all.writes.insert(all.writes.end(), last.writes.begin(), last.writes.end());
    all.reads.insert(all.reads.end(), last.reads.begin(), last.reads.end());
    return all;
  }
  [[nodiscard]] Tid current_tid(Oid oid) const {
    const auto object = objects.find(oid);
    if (object == objects.end() || !object->second.rbegin()->second) return kNoTid;
    return object->second.rbegin()->first;
  }
  [[nodiscard]] wire::Conflicted check(const wire::Commit& commit) const {
    wire::Conflicted conflicted;
    for (const wire::WireWrite& write : commit.writes) {
      const Tid now = current_tid(write.oid);
      if (now != write.base) conflicted.conflicts.push_back({write.oid, now, write.base, false});
    }
    for (const wire::WireRead& read : commit.reads) {
      const Tid now = current_tid(read.oid);
      if (now != read.tid) conflicted.conflicts.push_back({read.oid, now, read.tid, true});
    }
    return conflicted;
  }
  Tid perform(const wire::Commit& commit) {
    std::map<Oid, std::optional<std::string>> writes;
    for (const wire::WireWrite& write : commit.writes) {
      const bool data = write.kind == RevisionKind::data;
      writes[write.oid] = data ? std::optional(std::string(write.data.view())) : std::nullopt;
    }
    const Tid tid = apply(writes);
    outcomes[commit.number] = tid;
    return tid;
  }
  void on(std::uint32_t id, const wire::Commit& m) {
    if (std::exchange(lose_commit, false)) return;
    if (refuse_commit) {
      reply(id, wire::ErrorReply{*std::exchange(refuse_commit, std::nullopt)});
      return;
    }
    const wire::Commit commit = whole(m);
    if (wire::Conflicted conflicted = check(commit); !conflicted.conflicts.empty()) {
      reply(id, std::move(conflicted));
    } else {
      reply(id, wire::Committed{perform(commit), epoch});
    }
  }
  void on(std::uint32_t id, const wire::Vote& m) {
    const wire::Commit commit = whole(m);
    if (wire::Conflicted conflicted = check(commit); !conflicted.conflicts.empty()) {
      reply(id, std::move(conflicted));
      return;
    }
    voted_[m.number] = commit;
    reply(id, wire::Voted{});
  }
  void on(std::uint32_t id, const wire::Finish& m) {
    const auto voted = voted_.find(m.number);
    if (voted == voted_.end()) {
      reply(id, wire::ErrorReply{{ErrorCode::aborted, "not voted"}});
      return;
    }
    reply(id, wire::Committed{perform(voted->second), epoch});
    voted_.erase(voted);
  }
  void on(std::uint32_t id, const wire::Abort& m) {
    voted_.erase(m.number);
    reply(id, wire::Done{});
  }
  void on(std::uint32_t id, const wire::OutcomeQuery& m) {
    if (hold_outcome) {
      reply(id, wire::ErrorReply{{ErrorCode::unavailable, "pending"}});
    } else if (expire_outcomes) {
      reply(id, wire::ErrorReply{{ErrorCode::expired, "pruned"}});
    } else {
      const Tid tid = outcomes.try_emplace(m.commit_id.number, kNoTid).first->second;
      reply(id, wire::OutcomeKnown{!tid.is_zero(), tid});
    }
  }
  void on(std::uint32_t id, const wire::NewOids& m) {
    reply(id, wire::Oids{next_oid, m.count});
    next_oid = Oid(next_oid.value() + m.count);
  }
  void on(std::uint32_t id, const wire::ReadLog& m) {
    wire::LogReply page;
    page.end = true;
    page.next_after = m.after;
    for (const auto& [tid, oids] : log) {
      if (tid <= m.after) continue;
      if (page.items.size() == m.count) {
        page.end = false;
        break;
      }
      wire::LogReply::Item& item = page.items.emplace_back();
      item.tid = tid;
      for (const Oid oid : oids) item.objects.push_back({oid, kNoTid, RevisionKind::data, {}, 0});
      page.next_after = tid;
    }
    reply(id, std::move(page));
  }
  void on(std::uint32_t id, const wire::StatusQuery&) {
    wire::StatusReport report;
    report.role = role;
    report.node = "fake";
    report.visible_tid = visible;
    reply(id, report);
  }
  template <typename M>
  void on(std::uint32_t id, const M&) {
    reply(id, wire::ErrorReply{{ErrorCode::protocol_error, "not a request"}});
  }

  std::map<std::uint64_t, wire::Commit> staged_;
  std::map<std::uint64_t, wire::Commit> voted_;
};

}  // namespace zeolite::client_core::testing
