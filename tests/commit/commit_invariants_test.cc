// Random traffic against a serial model. The invariants are checked after every call.

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "commit/commit_coordinator.h"
#include "commit/coordinator_harness.h"

namespace zeolite::commit {
namespace {

using Kind = CommitEffects::Reply::Kind;

constexpr std::uint64_t kObjects = 8;
constexpr std::size_t kClients = 6;
constexpr Oid kRestored{100};  // and above: only written by what is restored

std::uint64_t number_in(ByteView text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Clients that increment counters: each transaction reads one to three counters and writes them
// back one higher, and may check that another did not change.
class Traffic {
 public:
  explicit Traffic(std::uint64_t seed)
      : random_(seed), h_({.recent_writes_max = 12, .recent_outcomes_max = 2}) {
    for (std::uint64_t i = 0; i < kObjects; ++i) {
      h_.add_object(Oid(i));
      model_[Oid(i)] = {.tid = h_.current(Oid(i)), .value = 0};
    }
    past_lines_.push_back(h_.visible());
    for (std::size_t i = 0; i < kClients; ++i) reconnect(clients_[i]);
  }

  void step() {
    Client& client = clients_[below(kClients)];
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        if (!client.commit) begin(client);
        break;
      case 3:
        if (client.voted) finish(client);
        break;
      case 4:
        if (client.commit && (client.tickets.empty() || below(3) == 0))
          send(client);  // a repeat while the first may still be under way
        break;
      case 5:
      case 6:
      case 7:
        acknowledge_some();
        break;
      case 8:
        answer_refetch();
        break;
      case 9:
        if (below(4) == 0) disconnect(client);
        break;
      case 10:
        if (below(10) == 0) pass_time();
        if (below(10) == 0) restore(client);
        if (below(10) == 0) pack(client);
        break;
      default:
        if (client.commit && below(4) == 0) query(client);
    }
    read_replies();
  }

  // Lets everything end.
  void drain() {
    for (int i = 0; i < 400; ++i) {
      for (Client& client : clients_) {
        if (client.voted) finish(client);
      }
      while (!h_.refetches.empty()) answer_refetch();
      h_.acknowledge();
      read_replies();
    }
    for (Client& client : clients_) disconnect(client);
    h_.acknowledge();
    replay();
  }

  void check_end() {
    const CommitCoordinator::Counts counts = h_.coordinator().counts();
    EXPECT_EQ(counts.voted + counts.waiting + counts.in_flight, 0U);
    EXPECT_EQ(h_.coordinator().next_deadline(), std::nullopt);
    EXPECT_FALSE(h_.answered_twice);
    std::set<CommitId> in_log;
    std::uint64_t increments = 0;
    for (const TransactionRecord& record : h_.appended) {
      if (record.kind != RecordKind::transaction && record.kind != RecordKind::tombstone) continue;
      EXPECT_TRUE(in_log.insert(record.commit_id).second) << "a commit id ended twice";
      EXPECT_FALSE(conflicted_.contains(record.commit_id))
          << "answered as conflicted, but it ended";
      if (record.kind == RecordKind::transaction && record.writes[0].oid < kRestored) {
        increments += record.writes.size();
      }
    }
    std::uint64_t counted = 0;
    for (const auto& [oid, counter] : model_) counted += counter.value;
    EXPECT_EQ(counted, increments) << "an increment was lost";
    EXPECT_GT(committed_.size(), 100U) << "the traffic makes progress";
    EXPECT_TRUE(std::ranges::is_sorted(h_.published, std::ranges::less_equal{},
                                       &CommitEffects::Publish::tid) &&
                std::ranges::is_sorted(h_.appended, {}, &TransactionRecord::tid));
    EXPECT_GT(refetches_answered_, 0U);
    check_history();
  }

 private:
  struct Client {
    OwnerId owner = 0;
    std::optional<StagedTransaction> commit{};  // what it tries to commit
    bool one_request = false;
    std::vector<Ticket> tickets{};  // of its requests on this connection that are not answered
    std::optional<Ticket> voted{};
    std::optional<Ticket> question{};
  };
  struct Counter {
    Tid tid;
    std::uint64_t value = 0;
  };

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void reconnect(Client& client) {
    client.owner = ++last_owner_;
    client.tickets.clear();
    client.voted.reset();
    client.question.reset();
  }

  void begin(Client& client) {
    replay();
    StagedTransaction staged;
    staged.commit_id = CoordinatorHarness::commit_id(++last_commit_);
    staged.begun = h_.visible();
    std::vector<std::uint64_t> oids(kObjects);
    for (std::uint64_t i = 0; i < kObjects; ++i) oids[i] = i;
    std::ranges::shuffle(oids, random_);
    const std::uint64_t writes = 1 + below(3);
    for (std::uint64_t i = 0; i < writes; ++i) {
      const Counter& counter = model_[Oid(oids[i])];
      staged.writes.push_back(
          CoordinatorHarness::write(Oid(oids[i]), counter.tid, std::to_string(counter.value + 1)));
    }
    for (std::uint64_t i = writes; i < writes + below(2); ++i) {
      staged.reads.push_back({Oid(oids[i]), model_[Oid(oids[i])].tid});
    }
    client.commit = std::move(staged);
    client.one_request = below(2) == 0;
    send(client);
  }

  // Sends the client's commit, with an answer of the store that may be an old one.
  void send(Client& client) {
    const Tid as_of = past_lines_[past_lines_.size() - 1 -
                                  below(std::min<std::uint64_t>(10, past_lines_.size()))];
    const bool disjoint = !overlaps_anything(*client.commit);
    const Ticket ticket = h_.submit(client.owner, *client.commit, client.one_request, as_of);
    wanted_[ticket] = *client.commit;
    client.tickets.push_back(ticket);
    if (disjoint) {
      EXPECT_EQ(h_.coordinator().staged(ticket) != nullptr && !h_.answered(ticket) &&
                    !std::ranges::count(h_.refetches, ticket),
                false)
          << "a transaction on objects of its own waited";
    }
  }

  // Whether anything unfinished touches an object of `staged`.
  bool overlaps_anything(const StagedTransaction& staged) {
    std::set<Oid> mine;
    for (const StagedWrite& write : staged.writes) mine.insert(write.oid);
    for (const ReadCheck& read : staged.reads) mine.insert(read.oid);
    const auto touches = [&](const StagedTransaction& other) {
      return std::ranges::any_of(other.writes,
                                 [&](const auto& w) { return mine.contains(w.oid); }) ||
             std::ranges::any_of(other.reads, [&](const auto& r) { return mine.contains(r.oid); });
    };
    for (const auto& [ticket, other] : wanted_) {
      if (h_.coordinator().staged(ticket) != nullptr && touches(other)) return true;
    }
    for (const TransactionRecord& record : h_.appended) {
      if (record.tid <= h_.visible()) continue;
      for (const auto& [ticket, other] : wanted_) {
        if (other.commit_id == record.commit_id && touches(other)) return true;
      }
    }
    return false;
  }

  void finish(Client& client) {
    client.tickets.push_back(h_.finish(*client.voted));
    client.voted.reset();
  }

  void acknowledge_some() {
    std::vector<Tid> waiting;
    for (const TransactionRecord& record : h_.appended) {
      if (record.tid > h_.visible()) waiting.push_back(record.tid);
    }
    if (waiting.empty()) return;
    h_.acknowledge(waiting[below(waiting.size())]);
    past_lines_.push_back(h_.visible());
    replay();
  }

  void answer_refetch() {
    if (h_.refetches.empty()) return;
    std::swap(h_.refetches[below(h_.refetches.size())], h_.refetches.back());
    const Ticket ticket = h_.refetches.back();
    h_.refetches.pop_back();
    ++refetches_answered_;
    h_.refetched(ticket, wanted_.at(ticket), h_.visible());
  }

  // A transaction with its own tid on an object of its own; the base is none that it ever had.
  void restore(Client& client) {
    StagedTransaction staged;
    staged.commit_id = CoordinatorHarness::commit_id(++last_commit_);
    StagedWrite write = CoordinatorHarness::write(Oid(kRestored.value() + below(2)), Tid(3));
    write.unchecked = true;
    staged.writes.push_back(std::move(write));
    const Tid last = h_.appended.empty() ? h_.visible() : h_.appended.back().tid;
    staged.fixed_tid = Tid(last.value() - 2 + below(2000));
    const Ticket ticket = h_.submit(client.owner, staged, true);
    restored_[staged.commit_id] = {ticket, *staged.fixed_tid};
    wanted_[ticket] = std::move(staged);
  }

  void pack(Client& client) {
    const Tid last = h_.appended.empty() ? h_.visible() : h_.appended.back().tid;
    packs_.push_back(h_.append_pack(client.owner, Tid(last.value() - below(200)), below(2) == 0));
    std::vector<Tid> visible;
    for (const TransactionRecord& record : h_.appended) {
      if (record.kind == RecordKind::pack && record.tid <= h_.visible()) {
        visible.push_back(record.tid);
      }
    }
    for (const Tid record : visible) h_.append_removal(record, {}, below(2) == 0);
  }

  // What was restored is where it was to be, or was refused; packs go forward.
  void check_history() {
    std::size_t packs = 0;
    std::size_t restored = 0;
    Tid horizon = kNoTid;
    for (const TransactionRecord& record : h_.appended) {
      if (const auto found = restored_.find(record.commit_id); found != restored_.end()) {
        EXPECT_EQ(record.tid, found->second.tid);
        ++restored;
      }
      if (record.kind != RecordKind::pack) continue;
      ++packs;
      EXPECT_GT(record.pack_horizon, horizon);
      EXPECT_LT(record.pack_horizon, record.tid);
      horizon = record.pack_horizon;
    }
    EXPECT_GT(packs, 0U);
    EXPECT_GT(restored, 0U);
    for (const Ticket ticket : packs_) {
      EXPECT_TRUE(!h_.answered(ticket) || h_.is(ticket, Kind::committed));
    }
  }

  void disconnect(Client& client) {
    h_.owner_lost(client.owner);
    reconnect(client);
  }

  void pass_time() {
    h_.advance(std::chrono::seconds(20));
    for (Client& client : clients_) {
      if (std::ranges::count(h_.closed, client.owner) != 0) disconnect(client);
    }
  }

  void query(Client& client) {
    if (client.question) return;
    client.question = h_.query(client.owner, client.commit->commit_id, client.commit->begun);
  }

  void read_replies() {
    for (Client& client : clients_) {
      if (client.question && h_.answered(*client.question)) {
        const auto reply = h_.reply(*client.question);
        if (reply.kind != Kind::failed) end(client, reply);
        client.question.reset();
      }
      for (const Ticket ticket : std::exchange(client.tickets, {})) {
        if (!h_.answered(ticket)) {
          client.tickets.push_back(ticket);
        } else if (client.commit) {
          read_reply(client, ticket, h_.reply(ticket));
        }
      }
      if (!client.commit) client.tickets.clear();
    }
  }

  void read_reply(Client& client, Ticket ticket, const CommitEffects::Reply& reply) {
    switch (reply.kind) {
      case Kind::voted:
        client.voted = ticket;
        break;
      case Kind::committed:
      case Kind::conflicted:
        end(client, reply);
        break;
      default:
        // A commit that was given up must not be tried again; anything else is.
        if (tombstones_.contains(client.commit->commit_id)) end(client, reply);
    }
  }

  void end(Client& client, const CommitEffects::Reply& reply) {
    const CommitId id = client.commit->commit_id;
    if (reply.kind == Kind::committed) {
      const auto [known, first] = committed_.emplace(id, reply.tid);
      EXPECT_EQ(known->second, reply.tid) << "one commit, two outcomes";
      EXPECT_LE(reply.tid, h_.visible()) << "answered before it was visible";
      EXPECT_FALSE(tombstones_.contains(id));
    }
    if (reply.kind == Kind::aborted) {
      tombstones_.insert(id);
      EXPECT_FALSE(committed_.contains(id));
    }
    if (reply.kind == Kind::conflicted) conflicted_.insert(id);
    client.commit.reset();
    client.voted.reset();
  }

  // Applies what became visible, one after the other, to the model.
  void replay() {
    for (; replayed_ < h_.appended.size(); ++replayed_) {
      const TransactionRecord& record = h_.appended[replayed_];
      if (record.tid > h_.visible()) return;
      if (record.kind == RecordKind::tombstone) tombstones_.insert(record.commit_id);
      for (const ObjectWrite& write : record.writes) {
        if (write.oid >= kRestored) continue;
        Counter& counter = model_[write.oid];
        ASSERT_EQ(write.previous, counter.tid) << "made from a revision that was not current";
        ASSERT_EQ(number_in(write.data.view()), counter.value + 1);
        counter = {.tid = record.tid, .value = counter.value + 1};
      }
      for (const auto& [ticket, staged] : wanted_) {
        if (record.commit_id != staged.commit_id || record.writes.empty()) continue;
        for (const ReadCheck& read : staged.reads) {
          ASSERT_EQ(read.tid, model_[read.oid].tid) << "a read was not current at its commit";
        }
      }
    }
  }

  std::mt19937_64 random_;
  CoordinatorHarness h_;
  Client clients_[kClients];
  std::map<Oid, Counter> model_;
  std::size_t replayed_ = 0;
  std::vector<Tid> past_lines_;
  std::map<Ticket, StagedTransaction> wanted_;
  std::map<CommitId, Tid> committed_;
  std::set<CommitId> tombstones_;
  std::set<CommitId> conflicted_;
  struct Restored {
    Ticket ticket = 0;
    Tid tid;
  };
  std::map<CommitId, Restored> restored_;
  std::vector<Ticket> packs_;
  std::uint64_t last_commit_ = 0;
  OwnerId last_owner_ = 0;
  std::uint64_t refetches_answered_ = 0;
};

class CommitTraffic : public testing::TestWithParam<std::uint64_t> {};

TEST_P(CommitTraffic, IsAsIfSerialAndExactlyOnce) {
  Traffic traffic(GetParam());
  for (int i = 0; i < 8'000; ++i) {
    traffic.step();
    if (HasFatalFailure()) FAIL() << "step " << i;
  }
  traffic.drain();
  traffic.check_end();
}

INSTANTIATE_TEST_SUITE_P(Seeds, CommitTraffic, testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace zeolite::commit
