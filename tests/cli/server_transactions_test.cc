#include "cli/server_transactions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/fake_server.h"

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;

constexpr Oid kA{1};
constexpr Oid kB{2};

// A server with a log and revisions; it answers at most `items_max` records and log items at once.
class SmallServer {
 public:
  struct Revision {
    wire::LoadedStatus status = wire::LoadedStatus::found;
    std::string data;
  };

  void add(Tid tid, std::vector<std::pair<ObjectSummary, std::string>> objects,
           char status = kStatusNormal) {
    wire::LogReply::Item item;
    item.tid = tid;
    item.status = status;
    item.metadata.description = "transaction " + std::to_string(tid.value());
    for (auto& [object, data] : objects) {
      if (object.kind == RevisionKind::data) object.size = static_cast<std::uint32_t>(data.size());
      revisions_[{object.oid, tid}] = {object.kind == RevisionKind::deletion
                                           ? wire::LoadedStatus::deleted
                                           : wire::LoadedStatus::found,
                                       data};
      item.objects.push_back(object);
    }
    log_.push_back(std::move(item));
  }
  void remove(Oid oid, Tid tid) { revisions_.erase({oid, tid}); }
  void set_data(Oid oid, Tid tid, std::string data) {
    revisions_[{oid, tid}].data = std::move(data);
  }
  void set_items_max(std::size_t items_max) { items_max_ = items_max; }

  [[nodiscard]] std::unique_ptr<NativeSession> connect() {
    server_ = std::make_unique<FakeServer>(
        [this](FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
          answer(peer, id, message);
        });
    Target target;
    target.at = {server_->address()};
    return NativeSession::open(target, {}).value();
  }

 private:
  void answer(FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
    if (std::holds_alternative<wire::Hello>(message)) {
      wire::Welcome welcome = welcome_of(wire::NodeRole::primary);
      if (!log_.empty()) welcome.visible.tid = log_.back().tid;
      peer.send(welcome, id);
    } else if (const auto* log = std::get_if<wire::ReadLog>(&message)) {
      wire::LogReply reply;
      for (const auto& item : log_) {
        if (item.tid <= log->after || reply.items.size() == items_max_) continue;
        reply.items.push_back(item);
      }
      reply.next_after = reply.items.empty() ? log->after : reply.items.back().tid;
      reply.end = log_.empty() || reply.next_after == log_.back().tid;
      peer.send(reply, id);
    } else if (const auto* many = std::get_if<wire::LoadMany>(&message)) {
      wire::LoadedMany reply;
      for (const Oid oid : many->oids) {
        if (reply.items.size() < items_max_) reply.items.push_back(load(oid, many->before));
      }
      peer.send(reply, id);
    } else if (const auto* serial = std::get_if<wire::LoadSerial>(&message)) {
      const wire::Loaded loaded = load(serial->oid, serial->tid.next());
      peer.send(loaded.tid == serial->tid ? loaded : wire::Loaded{}, id);
    }
  }

  wire::Loaded load(Oid oid, Tid before) const {
    const auto after = revisions_.lower_bound({oid, before});
    if (after == revisions_.begin() || std::prev(after)->first.first != oid) return {};
    const auto& [key, revision] = *std::prev(after);
    return {revision.status, Bytes::copy_of(revision.data), key.second, {}};
  }

  std::vector<wire::LogReply::Item> log_;
  std::map<std::pair<Oid, Tid>, Revision> revisions_;
  std::size_t items_max_ = 1000;
  std::unique_ptr<FakeServer> server_;
};

ObjectSummary object(Oid oid, RevisionKind kind = RevisionKind::data, Tid back = {}, Tid via = {}) {
  return {.oid = oid, .previous = {}, .kind = kind, .back = back, .via = via};
}

std::vector<TransactionRecord> read_all(ServerTransactions& transactions) {
  std::vector<TransactionRecord> all;
  while (true) {
    auto record = transactions.next();
    EXPECT_TRUE(record.has_value()) << record.error().detail;
    if (!record || !*record) return all;
    all.push_back(std::move(**record));
  }
}

TEST(ServerTransactions, AnEmptyLogHasNone) {
  SmallServer server;
  const auto session = server.connect();
  ServerTransactions transactions(*session);
  EXPECT_TRUE(transactions.until().is_zero());
  EXPECT_TRUE(read_all(transactions).empty());
}

TEST(ServerTransactions, EveryKindOfRevisionComes) {
  SmallServer server;
  server.add(Tid(10), {{object(kA), "a1"}, {object(kB), "b1"}});
  server.add(Tid(20), {});
  server.add(Tid(30), {{object(kB, RevisionKind::deletion), ""}});
  server.add(Tid(40), {{object(kA, RevisionKind::back_pointer, Tid(10), Tid(20)), "a1"}});
  const auto session = server.connect();
  ServerTransactions transactions(*session);
  const auto all = read_all(transactions);
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].metadata.description, "transaction 10");
  ASSERT_EQ(all[0].writes.size(), 2U);
  EXPECT_EQ(all[0].writes[1].data.view(), "b1");
  EXPECT_TRUE(all[1].writes.empty());
  EXPECT_EQ(all[2].writes.at(0).kind, RevisionKind::deletion);
  EXPECT_EQ(all[3].writes.at(0).back, Tid(10));
  EXPECT_EQ(all[3].writes.at(0).via, Tid(20));
  EXPECT_TRUE(all[3].writes.at(0).data.empty());
  EXPECT_EQ(transactions.load(kA, Tid(10)).value().view(), "a1");
  EXPECT_EQ(transactions.packed_records(), 0U);
}

TEST(ServerTransactions, ManyComeInOrderWhateverTheServerGivesAtOnce) {
  for (const std::size_t items_max : {1U, 3U, 1000U}) {
    SmallServer server;
    server.set_items_max(items_max);
    for (std::uint64_t i = 1; i <= 300; ++i) {
      std::vector<std::pair<ObjectSummary, std::string>> objects;
      for (std::uint64_t j = 0; j < i % 7; ++j) {
        objects.push_back({object(Oid(j)), std::to_string(i * j)});
      }
      server.add(Tid(i), objects);
    }
    const auto session = server.connect();
    ServerTransactions transactions(*session);
    const auto all = read_all(transactions);
    ASSERT_EQ(all.size(), 300U);
    for (std::uint64_t i = 1; i <= 300; ++i) {
      EXPECT_EQ(all[i - 1].tid, Tid(i));
      ASSERT_EQ(all[i - 1].writes.size(), i % 7);
      for (std::uint64_t j = 0; j < i % 7; ++j) {
        EXPECT_EQ(all[i - 1].writes[j].data.view(), std::to_string(i * j));
      }
    }
  }
}

TEST(ServerTransactions, ALargeTransactionIsAskedForInParts) {
  SmallServer server;
  std::vector<std::pair<ObjectSummary, std::string>> objects;
  for (std::uint64_t i = 0; i < 40; ++i) {
    objects.push_back({object(Oid(i)), std::string(1'000'000, static_cast<char>('a' + i % 26))});
  }
  server.add(Tid(1), objects);
  server.add(Tid(2), {{object(kA), "small"}});
  const auto session = server.connect();
  ServerTransactions transactions(*session);
  const auto all = read_all(transactions);
  ASSERT_EQ(all.size(), 2U);
  ASSERT_EQ(all[0].writes.size(), 40U);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(all[0].writes[i].data.view(), objects[i].second);
}

TEST(ServerTransactions, WhatWasPackedAwayIsLeftOut) {
  SmallServer server;
  server.add(Tid(10), {{object(kA), "a1"}, {object(kB), "b1"}});
  server.add(Tid(20), {{object(kA), "a2"}});
  server.add(Tid(30), {{object(kA), "a3"}, {object(kB, RevisionKind::deletion), ""}});
  server.remove(kA, Tid(10));
  server.remove(kA, Tid(20));
  server.remove(kB, Tid(30));
  const auto session = server.connect();
  ServerTransactions transactions(*session);
  const auto all = read_all(transactions);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].tid, Tid(10));
  ASSERT_EQ(all[0].writes.size(), 1U);
  EXPECT_EQ(all[0].writes[0].oid, kB);
  EXPECT_EQ(all[1].tid, Tid(30));
  ASSERT_EQ(all[1].writes.size(), 1U);
  EXPECT_EQ(transactions.packed_records(), 2U);
  EXPECT_EQ(transactions.load(kB, Tid(20)).error().code, ErrorCode::not_found);
}

// It may have been packed by ZODB, before it was imported.
TEST(ServerTransactions, AnEmptyTransactionThatIsToldStays) {
  SmallServer server;
  server.add(Tid(10), {}, kStatusPacked);
  server.add(Tid(20), {});
  const auto session = server.connect();
  ServerTransactions transactions(*session);
  const auto all = read_all(transactions);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].tid, Tid(10));
  EXPECT_EQ(all[0].status, kStatusPacked);
  EXPECT_EQ(transactions.packed_records(), 0U);
}

TEST(ServerTransactions, ARecordOfAnotherSizeThanTheLogSaysIsDamage) {
  SmallServer server;
  server.add(Tid(10), {{object(kA), "a1"}});
  server.set_data(kA, Tid(10), "changed");
  const auto session = server.connect();
  ServerTransactions transactions(*session);
  const auto record = transactions.next();
  ASSERT_FALSE(record.has_value());
  EXPECT_EQ(record.error().code, ErrorCode::corruption);
  EXPECT_THAT(record.error().detail, HasSubstr("the log says 2"));
}

}  // namespace
}  // namespace zeolite::cli
