#include "sim/client.h"

#include <charconv>
#include <numeric>
#include <utility>

namespace zeolite::sim {
namespace {

constexpr Duration kAnswerTimeout = std::chrono::milliseconds(1500);
constexpr Duration kLatestCopy = std::chrono::seconds(8);
constexpr std::int64_t kMoneyEach = kMoney / static_cast<std::int64_t>(kAccounts);

}  // namespace

Client::Client(World world, std::size_t index, Random random, const Options& options,
               std::vector<Host> servers)
    : world_(world),
      index_(index),
      random_(random),
      options_(options),
      servers_(std::move(servers)) {
  host_ =
      world_.network.add_host(process_, {.accepted = [](ConnectionId, Host) {},
                                         .connected =
                                             [this](ConnectionId connection) {
                                               if (connection != connection_) return;
                                               connected_ = true;
                                               proceed();
                                             },
                                         .lost =
                                             [this](ConnectionId connection, const std::string&) {
                                               if (connection == connection_)
                                                 reconnect({}, std::chrono::milliseconds(50));
                                             },
                                         .received =
                                             [this](ConnectionId connection, std::any message) {
                                               if (connection != connection_) return;
                                               received(std::any_cast<Message>(std::move(message)));
                                             }});
}

void Client::start() { reconnect({}, {}); }

// To the leader, if one was named and it is worth a try; else to anybody.
void Client::reconnect(const std::string& leader, Duration pause) {
  if (connection_ != 0) world_.network.close(host_, connection_);
  connection_ = 0;
  connected_ = false;
  ++number_;
  if (options_.late_copies && pending_ && sent_ && random_.coin()) send_late_copy();
  Host host = servers_[random_.index(servers_.size())];
  if (!leader.empty() && !random_.once_in(4)) {
    std::from_chars(leader.data(), leader.data() + leader.size(), host);
  }
  world_.queue.after(random_.delay(pause), process_, [this, host, number = number_] {
    if (number != number_) return;
    connection_ = world_.network.connect(host_, host);
  });
}

// As if a request had been on its way for long, or somebody on the way had sent it twice.
void Client::send_late_copy() {
  const Host host = servers_[random_.index(servers_.size())];
  const Duration delay = random_.between({}, kLatestCopy);
  world_.queue.after(delay, process_, [this, host, copy = *pending_] {
    const ConnectionId connection = world_.network.connect(host_, host);
    world_.network.send(host_, connection, std::any(Message(copy)));
    world_.network.close(host_, connection);
  });
}

// The next request over the connection.
void Client::proceed() {
  if (!connected_) return;
  if (!pending_) {
    if (finishing_ && !options_.reads_only) return;
    send(ReadRequest{.number = ++number_});
    return;
  }
  if (sent_ && random_.coin()) {
    send(OutcomeRequest{.number = ++number_, .id = pending_->id, .begun = pending_->begun});
    return;
  }
  sent_ = true;
  pending_->number = ++number_;
  send(*pending_);
}

void Client::send(Message message) {
  world_.network.send(host_, connection_, std::any(std::move(message)));
  world_.queue.after(kAnswerTimeout, process_, [this, number = number_] {
    if (number == number_) reconnect({}, std::chrono::milliseconds(20));
  });
}

void Client::again_after(Duration pause) {
  ++number_;
  world_.queue.after(random_.delay(pause), process_, [this, number = number_] {
    if (number == number_) proceed();
  });
}

void Client::received(Message message) {
  if (const auto* const read = std::get_if<ReadReply>(&message)) {
    if (read->number == number_) on_read(*read);
  } else if (const auto* const commit = std::get_if<CommitReply>(&message)) {
    if (commit->number == number_) on_commit(*commit);
  }
}

void Client::on_read(const ReadReply& reply) {
  if (reply.opened) {
    world_.checker.balance(
        index_, reply.line,
        std::accumulate(reply.balances.begin(), reply.balances.end(), std::int64_t{0}), kMoney);
  }
  if (options_.reads_only) {
    if (random_.once_in(10)) {
      reconnect({}, options_.pause);
    } else {
      again_after(options_.pause);
    }
    return;
  }
  if (!reply.primary) {
    reconnect(reply.leader, std::chrono::milliseconds(50));
    return;
  }
  if (!reply.opened && !options_.opens) {
    again_after(std::chrono::milliseconds(100));
    return;
  }
  begin_transfer(reply);
}

void Client::begin_transfer(const ReadReply& reply) {
  CommitRequest request;
  request.id.session[0] = static_cast<std::uint8_t>(index_ + 1);
  request.id.number = ++commits_;
  request.begun = reply.line;
  if (!reply.opened) {
    for (std::size_t account = 0; account < kAccounts; ++account) {
      request.writes.push_back({.account = account, .base = kNoTid, .balance = kMoneyEach});
    }
  } else {
    const std::size_t from = random_.index(kAccounts);
    const std::size_t to = (from + 1 + random_.index(kAccounts - 1)) % kAccounts;
    const auto amount = static_cast<std::int64_t>(random_.below(20));
    request.writes.push_back(
        {.account = from, .base = reply.tids[from], .balance = reply.balances[from] - amount});
    request.writes.push_back(
        {.account = to, .base = reply.tids[to], .balance = reply.balances[to] + amount});
  }
  pending_ = std::move(request);
  sent_ = false;
  proceed();
}

void Client::on_commit(const CommitReply& reply) {
  switch (reply.kind) {
    case CommitReply::Kind::committed:
      world_.checker.committed(pending_->id, reply.tid);
      ++committed_;
      end_transaction();
      return;
    case CommitReply::Kind::aborted:
      world_.checker.aborted(pending_->id);
      end_transaction();
      return;
    case CommitReply::Kind::conflicted:
      end_transaction();
      return;
    case CommitReply::Kind::failed:
      break;
  }
  if (reply.error == ErrorCode::not_primary) {
    reconnect(reply.leader, std::chrono::milliseconds(50));
  } else {
    again_after(std::chrono::milliseconds(100));
  }
}

void Client::end_transaction() {
  pending_.reset();
  again_after(options_.pause);
}

}  // namespace zeolite::sim
