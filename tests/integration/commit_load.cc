#include "integration/commit_load.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "integration/program.h"

namespace zeolite::testing {

namespace {

constexpr std::uint64_t kOwnedObjects = 16;  // of each client
constexpr std::size_t kPipeline = 200;

Oid owned_oid(std::uint64_t client, std::uint64_t number) {
  return Oid(1'000 * (client + 1) + number % kOwnedObjects);
}
Oid created_oid(std::uint64_t client, std::uint64_t number) {
  return Oid(100'000'000 * (client + 1) + number);
}

wire::Hello hello_of(const SessionId& session, bool wants_invalidations) {
  wire::Hello hello;
  hello.session = session;
  hello.label = "commit load";
  hello.wants_invalidations = wants_invalidations;
  return hello;
}

}  // namespace

CommitLoad::CommitLoad(int clients, std::size_t value_bytes) : value_bytes_(value_bytes) {
  for (int i = 0; i < clients; ++i) {
    Client& client = clients_.emplace_back();
    client.index = static_cast<std::uint64_t>(i);
    client.session = random_session();
  }
}

CommitLoad::~CommitLoad() {
  stop();
  join();
}

void CommitLoad::start(std::uint16_t port) {
  stopping_ = false;
  threads_.emplace_back([this, port] { watch(port); });
  for (Client& client : clients_) {
    threads_.emplace_back([this, &client, port] { run(client, port); });
  }
}

void CommitLoad::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

std::string CommitLoad::value(const Client& client, std::uint64_t number) const {
  std::string text = std::to_string(client.index) + ":" + std::to_string(number) + ";";
  while (text.size() < value_bytes_) text += text;
  text.resize(std::max(value_bytes_, text.find(';') + 1));
  return text;
}

wire::Commit CommitLoad::request(const Client& client, const Attempt& attempt) const {
  wire::Commit commit;
  commit.number = attempt.number;
  commit.begun = attempt.begun;
  commit.metadata.description = std::to_string(client.index) + ":" + std::to_string(attempt.number);
  const Bytes data(value(client, attempt.number));
  commit.writes = {
      {.oid = owned_oid(client.index, attempt.number), .base = attempt.base, .data = data},
      {.oid = created_oid(client.index, attempt.number), .base = {}, .data = data}};
  return commit;
}

void CommitLoad::run(Client& client, std::uint16_t port) {
  Result<RawClient> connection = RawClient::open(port, hello_of(client.session, false));
  if (!connection) return;
  client.line = connection->welcome().visible.tid;
  while (!stopping_) {
    const std::uint64_t number = client.attempts.size() + 1;
    const Oid owned = owned_oid(client.index, number);
    Attempt& attempt = client.attempts.emplace_back();
    attempt.number = number;
    attempt.begun = client.line;
    attempt.base = client.current[owned];
    const auto reply = connection->ask<wire::Committed>(request(client, attempt));
    if (!reply) {
      // Killed, or it said that it is going; anything else is an answer it had no reason for.
      const ErrorCode code = reply.error().code;
      EXPECT_TRUE(code == ErrorCode::unavailable || code == ErrorCode::shutting_down ||
                  code == ErrorCode::not_primary)
          << reply.error().to_string();
      attempt.was_lost = true;
      return;
    }
    EXPECT_GT(reply->tid, client.line) << "tids grow";
    attempt.state = Attempt::State::committed;
    attempt.tid = client.line = client.current[owned] = reply->tid;
    const std::lock_guard lock(mutex_);
    ++acknowledged_;
    changed_.notify_all();
  }
}

std::uint64_t CommitLoad::acknowledged() {
  const std::lock_guard lock(mutex_);
  return acknowledged_;
}

bool CommitLoad::wait_acknowledged(std::uint64_t count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return acknowledged_ >= count; });
}

void CommitLoad::watch(std::uint16_t port) {
  Result<RawClient> connection = RawClient::open(port, hello_of(random_session(), true));
  if (!connection) return;
  Tid line = connection->welcome().visible.tid;
  while (!stopping_) {
    Result<RawClient::Received> received = connection->receive(std::chrono::milliseconds(100));
    if (!received && received.error().code == ErrorCode::timeout) continue;
    if (!received) return;
    const auto* told = std::get_if<wire::Invalidate>(&received->message);
    if (told == nullptr) return;  // that it is going
    EXPECT_GT(told->tid, line);
    EXPECT_EQ(told->oids.size(), 2U);
    line = told->tid;
    for (const Oid oid : told->oids) seen_.emplace_back(told->tid, oid);
  }
}

void CommitLoad::check(std::uint16_t port) {
  Result<RawClient> connection = RawClient::open(port, hello_of(random_session(), false));
  ASSERT_TRUE(connection) << connection.error().to_string();
  const Tid line = connection->welcome().visible.tid;
  check_seen(std::exchange(seen_checked_, seen_.size()), *connection);
  for (Client& client : clients_) {
    EXPECT_GE(line, client.line) << "what was acknowledged is visible at once";
    const std::size_t first = std::exchange(client.checked, client.attempts.size());
    check_acknowledged(client, first, *connection);
    for (std::size_t i = first; i < client.attempts.size(); ++i) {
      if (client.attempts[i].state == Attempt::State::unknown) {
        resolve(client, client.attempts[i], *connection, port);
      }
    }
  }
}

void CommitLoad::check_everything(std::uint16_t port) {
  check(port);
  Result<RawClient> connection = RawClient::open(port, hello_of(random_session(), false));
  ASSERT_TRUE(connection) << connection.error().to_string();
  check_seen(0, *connection);
  for (Client& client : clients_) {
    check_acknowledged(client, 0, *connection);
    for (const Attempt& attempt : client.attempts) {
      if (attempt.was_lost) check_outcome(client, attempt, *connection);
    }
  }
  check_log(*connection);
}

void CommitLoad::check_acknowledged(Client& client, std::size_t first, RawClient& connection) {
  for (std::size_t from = first; from < client.attempts.size(); from += kPipeline) {
    const std::size_t to = std::min(from + kPipeline, client.attempts.size());
    std::vector<std::pair<std::uint32_t, const Attempt*>> asked;
    for (std::size_t i = from; i < to; ++i) {
      const Attempt& attempt = client.attempts[i];
      if (attempt.state != Attempt::State::committed) continue;
      for (const Oid oid :
           {owned_oid(client.index, attempt.number), created_oid(client.index, attempt.number)}) {
        asked.emplace_back(connection.next_id(), &attempt);
        ASSERT_TRUE(connection.send(wire::LoadSerial{oid, attempt.tid}, asked.back().first));
      }
    }
    for (std::size_t i = 0; i < asked.size(); ++i) {
      // Reads are answered in any order.
      Result<RawClient::Received> received = connection.receive();
      ASSERT_TRUE(received) << received.error().to_string();
      const auto* loaded = std::get_if<wire::Loaded>(&received->message);
      const auto asked_for = std::ranges::find(asked, received->request_id,
                                               &std::pair<std::uint32_t, const Attempt*>::first);
      ASSERT_TRUE(loaded != nullptr && asked_for != asked.end());
      const Attempt& attempt = *asked_for->second;
      ASSERT_EQ(loaded->status, wire::LoadedStatus::found)
          << "an acknowledged commit is gone: client " << client.index << " number "
          << attempt.number << " tid " << to_hex(attempt.tid);
      ASSERT_EQ(loaded->data.view(), value(client, attempt.number));
    }
  }
}

void CommitLoad::resolve(Client& client, Attempt& attempt, RawClient& connection,
                         std::uint16_t port) {
  const Oid owned = owned_oid(client.index, attempt.number);
  const std::string expected = value(client, attempt.number);
  const auto created =
      connection.ask<wire::Loaded>(wire::Load{created_oid(client.index, attempt.number)});
  const auto changed = connection.ask<wire::Loaded>(wire::Load{owned});
  ASSERT_TRUE(created) << created.error().to_string();
  ASSERT_TRUE(changed) << changed.error().to_string();
  const bool there = created->status == wire::LoadedStatus::found;
  if (there) {
    EXPECT_EQ(created->data.view(), expected);
    EXPECT_EQ(changed->data.view(), expected) << "half a transaction";
    EXPECT_EQ(changed->tid, created->tid);
    EXPECT_GT(created->tid, client.line);
    attempt.tid = client.line = client.current[owned] = created->tid;
  } else {
    EXPECT_EQ(created->status, wire::LoadedStatus::unknown);
    EXPECT_EQ(changed->tid, client.current[owned]) << "half a transaction";
  }
  attempt.state = there ? Attempt::State::committed : Attempt::State::aborted;
  check_outcome(client, attempt, connection);
  check_sent_again(client, attempt, port);
  check_outcome(client, attempt, connection);
}

void CommitLoad::check_sent_again(const Client& client, const Attempt& attempt,
                                  std::uint16_t port) const {
  Result<RawClient> connection = RawClient::open(port, hello_of(client.session, false));
  ASSERT_TRUE(connection) << connection.error().to_string();
  const auto reply = connection->ask<wire::Committed>(request(client, attempt));
  if (attempt.state == Attempt::State::committed) {
    ASSERT_TRUE(reply) << reply.error().to_string();
    EXPECT_EQ(reply->tid, attempt.tid);
  } else {
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, ErrorCode::aborted) << reply.error().to_string();
  }
}

void CommitLoad::check_outcome(const Client& client, const Attempt& attempt,
                               RawClient& connection) const {
  const bool committed = attempt.state == Attempt::State::committed;
  const auto outcome = connection.ask<wire::OutcomeKnown>(
      wire::OutcomeQuery{{client.session, attempt.number}, attempt.begun});
  ASSERT_TRUE(outcome) << outcome.error().to_string();
  EXPECT_EQ(outcome->committed, committed)
      << "client " << client.index << " number " << attempt.number;
  if (committed) {
    EXPECT_EQ(outcome->tid, attempt.tid);
  }
}

void CommitLoad::check_seen(std::size_t first, RawClient& connection) {
  for (std::size_t from = first; from < seen_.size(); from += kPipeline) {
    const std::size_t to = std::min(from + kPipeline, seen_.size());
    for (std::size_t i = from; i < to; ++i) {
      const auto& [tid, oid] = seen_[i];
      ASSERT_TRUE(connection.send(wire::LoadSerial{oid, tid}, connection.next_id()));
    }
    for (std::size_t i = from; i < to; ++i) {
      Result<RawClient::Received> received = connection.receive();
      ASSERT_TRUE(received) << received.error().to_string();
      const auto* loaded = std::get_if<wire::Loaded>(&received->message);
      ASSERT_NE(loaded, nullptr);
      ASSERT_EQ(loaded->status, wire::LoadedStatus::found) << "clients were told of it";
    }
  }
}

void CommitLoad::check_log(RawClient& connection) {
  std::map<std::string, Tid> expected;
  for (const Client& client : clients_) {
    for (const Attempt& attempt : client.attempts) {
      if (attempt.state != Attempt::State::committed) continue;
      expected[std::to_string(client.index) + ":" + std::to_string(attempt.number)] = attempt.tid;
    }
  }
  Tid after;
  std::size_t found = 0;
  while (true) {
    const auto log = connection.ask<wire::LogReply>(wire::ReadLog{.after = after});
    ASSERT_TRUE(log) << log.error().to_string();
    for (const wire::LogReply::Item& item : log->items) {
      ASSERT_GT(item.tid, after);
      after = item.tid;
      const auto ours = expected.find(item.metadata.description);
      ASSERT_NE(ours, expected.end()) << item.metadata.description << " did not commit";
      EXPECT_EQ(ours->second, item.tid);
      ++found;
    }
    after = log->next_after;
    if (log->end) break;
  }
  EXPECT_EQ(found, expected.size());
}

void CommitLoad::check_restarted(ServerProcess& server, const std::filesystem::path& data) {
  check(server.port());
  const std::uint64_t before = acknowledged();
  start(server.port());
  EXPECT_TRUE(wait_acknowledged(before + 100));
  stop();
  join();
  check_everything(server.port());
  EXPECT_EQ(server.stop(), 0) << server.standard_error();
  const ProgramResult verified = verify(data);
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.error;
}

}  // namespace zeolite::testing
