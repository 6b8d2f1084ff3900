#include "cluster/participant.h"

#include <utility>

namespace zeolite::cluster_test {

using client::Oid;

namespace {

constexpr std::chrono::seconds kCallTimeout{5};
// How long the outcome of a commit is asked for, and how much of that after the stop.
constexpr std::chrono::seconds kOutcomeLimit{30};
constexpr std::chrono::seconds kOutcomeLimitAtEnd{8};
constexpr std::chrono::milliseconds kOutcomePause{50};

std::int64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

// Half of the clients leave a server soon that says nothing. The others stay with it for long, and
// so are there with their requests when it wakes up and has been replaced.
std::chrono::seconds heartbeat_of(std::uint64_t index) {
  return std::chrono::seconds(index % 2 == 0 ? 1 : 8);
}

client::Options options(const Arguments& arguments, const std::string& name, std::uint64_t index,
                        bool standby) {
  client::Options options;
  options.addresses = {arguments.connect};
  options.storage = arguments.storage;
  options.label = name;
  options.call_timeout = kCallTimeout;
  options.connect_timeout = std::chrono::seconds(1);
  options.heartbeat = heartbeat_of(index);
  if (standby) options.read_preference = client::ReadPreference::standby;
  return options;
}

// The stop came before the operation had anything that could commit.
class Stopped : public std::exception {};

}  // namespace

std::vector<std::optional<std::string>> Attempt::read(std::span<const Oid> oids) {
  std::vector<std::optional<std::string>> values;
  for (const std::optional<client::Bytes>& found : transaction_.find_many(oids)) {
    values.push_back(found ? std::optional(found->str()) : std::nullopt);
  }
  for (std::size_t i = 0; i < oids.size(); ++i) operation_.reads[oids[i]] = values[i];
  return values;
}

void Attempt::write(Oid oid, std::string value) {
  transaction_.store(oid, value);
  operation_.writes[oid] = std::move(value);
}

void Attempt::read_current(Oid oid) {
  transaction_.read_current(oid);
  operation_.current.push_back(oid);
}

void Attempt::note_appended(Oid oid, std::vector<std::uint64_t> elements) {
  operation_.appended[oid] = std::move(elements);
}

Participant::Participant(const Arguments& arguments, std::string name, std::uint64_t index,
                         LineFile& log, Stop& stop)
    : name_(std::move(name)),
      index_(index),
      log_(log),
      stop_(stop),
      random_(arguments.seed * 1000 + index),
      primary_(options(arguments, name_, index, false)) {
  if (arguments.reads_standby) standby_.emplace(options(arguments, name_, index, true));
}

Operation::End Participant::act(const std::string& f, Server server,
                                const std::function<void(Attempt&)>& body) {
  client::Client& client = server == Server::standby ? standby_.value() : primary_;
  Operation operation;
  operation.f = f;
  operation.seq = ++seq_;
  operation.standby = server == Server::standby;
  operation.begin_ns = now_ns();
  // An epoch that was the same before and after is that of every answer in between.
  const std::uint64_t epoch = client.epoch();
  try {
    run(client, operation, body);
  } catch (const Stopped&) {
    operation.why = "stopped before it was committed";
  } catch (const client::Error& error) {
    operation.why = error.what();
  }
  const bool answered = operation.synced || operation.tid.value != 0;
  if (operation.end == Operation::End::ok && answered && client.epoch() == epoch) {
    operation.epoch = epoch;
  }
  operation.end_ns = now_ns();
  log_.write(to_json(name_, operation));
  return operation.end;
}

void Participant::run(client::Client& client, Operation& operation,
                      const std::function<void(Attempt&)>& body) {
  const auto go_on = [this] {
    if (stop_.requested()) throw Stopped();
  };
  go_on();
  catch_up(client, operation);
  go_on();
  client::Transaction transaction = client.begin();
  operation.snapshot = transaction.snapshot();
  const std::string id = name_ + "/" + std::to_string(operation.seq);
  transaction.set_description("history " + id);
  Attempt attempt(transaction, operation, id);
  body(attempt);
  if (operation.writes.empty()) {
    operation.end = Operation::End::ok;
    return;
  }
  go_on();
  commit(transaction, operation);
}

// Half of the operations take the newest moment that the client happens to know of: what they read
// may come from its cache.
void Participant::catch_up(client::Client& client, Operation& operation) {
  if (operation.standby && last_commit_.value != 0 && chance(50)) {
    client.sync(last_commit_);
    operation.at_least = last_commit_;
  }
  if (chance(50)) {
    static_cast<void>(client.sync());
    operation.synced = true;
  }
}

void Participant::commit(client::Transaction& transaction, Operation& operation) {
  try {
    operation.tid = transaction.commit();
    operation.end = Operation::End::ok;
  } catch (const client::OutcomeUnknownError& error) {
    operation.why = error.what();
    operation.end = Operation::End::unknown;
    learn_outcome(error.commit_id(), operation);
  } catch (const client::ServerError& error) {
    // Not among what commit() says it throws when nothing was committed.
    operation.why = error.what();
    operation.end = Operation::End::unknown;
  }
  if (operation.end == Operation::End::ok) last_commit_ = operation.tid;
}

void Participant::learn_outcome(const client::CommitId& id, Operation& operation) {
  using State = client::Outcome::State;
  const auto limit = std::chrono::steady_clock::now() + kOutcomeLimit;
  while (std::chrono::steady_clock::now() < limit && stop_.since() < kOutcomeLimitAtEnd) {
    client::Outcome outcome;
    try {
      outcome = primary_.outcome(id);
    } catch (const client::Error& error) {
      operation.why = error.what();
    }
    if (outcome.state == State::expired) return;
    if (outcome.state != State::pending) {
      const bool committed = outcome.state == State::committed;
      operation.end = committed ? Operation::End::ok : Operation::End::fail;
      operation.tid = outcome.tid;
      operation.learned = true;
      return;
    }
    // After the stop a pause ends at once; a refused call then must not spin.
    if (stop_.requested()) {
      std::this_thread::sleep_for(kOutcomePause);
    } else {
      stop_.pause(kOutcomePause);
    }
  }
}

}  // namespace zeolite::cluster_test
