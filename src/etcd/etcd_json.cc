#include "etcd/etcd_json.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/overloaded.h"
#include "etcd/base64.h"
#include "etcd/json_fields.h"
#include "etcd/key_values.h"

namespace zeolite::etcd {

namespace json = boost::json;
namespace dcs = replication::dcs;
using replication::LeaseId;
using replication::Revision;

namespace {

constexpr std::string_view kTransaction = "/v3/kv/txn";
constexpr std::size_t kNameMax = 64;
// Never put. A transaction that only compares is answered by whatever member got it from what that
// has, even if it is cut off from the others; one that deletes has to be agreed on, and deleting
// what is not there makes no new revision.
constexpr std::string_view kNothing = "nothing";

// ---- requests -----------------------------------------------------------------------------------

// The keys of one cluster and the pieces of transactions over them.
class Transaction {
 public:
  explicit Transaction(std::string_view prefix) : prefix_(prefix) {}

  void if_revision(std::string_view key, Revision revision) {
    if_.push_back(json::object{{"key", key_of(key)},
                               {"target", "MOD"},
                               {"result", "EQUAL"},
                               {"mod_revision", std::to_string(revision)}});
  }
  void if_leader(Revision revision) {
    CHECK(revision > 0, "a guard names the leader key's revision");
    if_revision("leader", revision);
  }
  void if_absent(std::string_view key) {
    if_.push_back(json::object{
        {"key", key_of(key)}, {"target", "CREATE"}, {"result", "EQUAL"}, {"create_revision", "0"}});
  }
  void if_value(std::string_view key, std::string_view value) {
    if_.push_back(json::object{{"key", key_of(key)},
                               {"target", "VALUE"},
                               {"result", "EQUAL"},
                               {"value", to_base64(value)}});
  }
  void put(std::string_view key, std::string_view value, LeaseId lease = 0) {
    json::object put{{"key", key_of(key)}, {"value", to_base64(value)}};
    if (lease != 0) put.emplace("lease", std::to_string(lease));
    then_.push_back(json::object{{"request_put", std::move(put)}});
  }
  void remove(std::string_view key) {
    then_.push_back(json::object{{"request_delete_range", json::object{{"key", key_of(key)}}}});
  }
  void get(std::string_view key) {
    then_.push_back(json::object{{"request_range", json::object{{"key", key_of(key)}}}});
  }
  // All keys that begin with `key`, which ends with '/'.
  void get_below(std::string_view key) {
    std::string end = prefix_ + std::string(key);
    end.back() = '/' + 1;
    then_.push_back(json::object{
        {"request_range", json::object{{"key", key_of(key)}, {"range_end", to_base64(end)}}}});
  }

  [[nodiscard]] HttpCall call() && {
    return {
        std::string(kTransaction),
        json::serialize(json::object{{"compare", std::move(if_)}, {"success", std::move(then_)}})};
  }

 private:
  [[nodiscard]] std::string key_of(std::string_view key) const {
    return to_base64(prefix_ + std::string(key));
  }

  std::string prefix_;
  json::array if_, then_;
};

HttpCall lease_call(std::string_view path, json::object body) {
  return {std::string(path), json::serialize(body)};
}

// Zeros before it, so that etcdctl lists the reigns in their order.
std::string history_key(Epoch epoch) {
  constexpr std::size_t kWidth = 10;
  const std::string digits = std::to_string(epoch.value());
  return "history/" + std::string(kWidth - std::min(kWidth, digits.size()), '0') + digits;
}

HttpCall encode_read(std::string_view prefix) {
  Transaction all(prefix);
  all.get("leader");
  all.get("epoch");
  all.get("sync");
  all.get("cluster");
  all.get_below("members/");
  return std::move(all).call();
}

HttpCall encode_acquire(const dcs::Acquire& request, std::string_view prefix) {
  Transaction acquire(prefix);
  acquire.if_absent("leader");
  // A key that does not exist has revision 0.
  acquire.if_revision("epoch", request.epoch_revision);
  acquire.if_revision("sync", request.sync_revision);
  if (request.cluster && request.cluster_seen) {
    acquire.if_value("cluster", encode_cluster(*request.cluster));
  } else if (!request.cluster_seen) {
    acquire.if_absent("cluster");
  }
  replication::LeaderKey leader;
  leader.node = request.node;
  leader.name = request.name;
  leader.address = request.address;
  leader.epoch = request.epoch;
  leader.ttl = request.ttl;
  acquire.put("leader", encode_leader(leader), request.lease);
  acquire.put("epoch", encode_epoch(request.epoch));
  if (request.cluster && !request.cluster_seen) {
    acquire.put("cluster", encode_cluster(*request.cluster));
  }
  return std::move(acquire).call();
}

// ---- answers ------------------------------------------------------------------------------------

std::unexpected<Error> unexpected_shape(std::string what) {
  return make_error(ErrorCode::protocol_error, std::move(what));
}

// One key as a range answered it.
struct StoredKey {
  std::string key;
  std::string value;
  Revision revision = 0;
  LeaseId lease = 0;
};

Result<std::string> base64_field(const json::object& object, std::string_view name) {
  // An empty value is left out.
  if (!object.contains({name.data(), name.size()})) return std::string();
  ASSIGN_OR_RETURN(const std::string_view text, text_field(object, name));
  std::optional<std::string> bytes = from_base64(text);
  if (!bytes) return unexpected_shape("'" + std::string(name) + "' is not base64");
  return *std::move(bytes);
}

Result<std::vector<StoredKey>> decode_range(const json::value& response) {
  const json::object* object = response.if_object();
  if (object == nullptr) return unexpected_shape("a response is not an object");
  ASSIGN_OR_RETURN(const json::object* range, object_field(*object, "response_range"));
  ASSIGN_OR_RETURN(const json::array* kvs, array_field(*range, "kvs"));
  if (range->contains("more")) return unexpected_shape("a range that was cut short");
  std::vector<StoredKey> keys;
  for (const json::value& entry : *kvs) {
    const json::object* kv = entry.if_object();
    if (kv == nullptr) return unexpected_shape("a key is not an object");
    StoredKey stored;
    ASSIGN_OR_RETURN(stored.key, base64_field(*kv, "key"));
    ASSIGN_OR_RETURN(stored.value, base64_field(*kv, "value"));
    ASSIGN_OR_RETURN(stored.revision, int_field(*kv, "mod_revision"));
    ASSIGN_OR_RETURN(stored.lease, int_field_or_zero(*kv, "lease"));
    if (stored.key.empty() || stored.revision == 0) return unexpected_shape("a key without name");
    keys.push_back(std::move(stored));
  }
  ASSIGN_OR_RETURN(const std::int64_t count, int_field_or_zero(*range, "count"));
  if (count != static_cast<std::int64_t>(keys.size())) {
    return unexpected_shape("a range of " + std::to_string(count) + " keys has " +
                            std::to_string(keys.size()));
  }
  return keys;
}

// The only key that a range for `name` answered; nothing: it does not exist.
Result<std::optional<StoredKey>> decode_single(const json::value& response, std::string_view name) {
  ASSIGN_OR_RETURN(std::vector<StoredKey> keys, decode_range(response));
  if (keys.empty()) return std::nullopt;
  if (keys.size() > 1 || !keys[0].key.ends_with("/" + std::string(name))) {
    return unexpected_shape("another key instead of '" + std::string(name) + "'");
  }
  return std::move(keys[0]);
}

Result<> decode_leader_and_epoch(const json::array& responses, replication::DcsView& view) {
  ASSIGN_OR_RETURN(const auto leader, decode_single(responses[0], "leader"));
  if (leader) {
    ASSIGN_OR_RETURN(view.leader, decode_leader(leader->value));
    view.leader->revision = leader->revision;
    view.leader->lease = leader->lease;
  }
  ASSIGN_OR_RETURN(const auto epoch, decode_single(responses[1], "epoch"));
  if (epoch) {
    ASSIGN_OR_RETURN(view.epoch, decode_epoch(epoch->value));
    view.epoch_revision = epoch->revision;
  }
  return {};
}

Result<> decode_members(const json::value& response, replication::DcsView& view) {
  constexpr std::string_view kFolder = "/members/";
  ASSIGN_OR_RETURN(const std::vector<StoredKey> keys, decode_range(response));
  for (const StoredKey& key : keys) {
    const std::size_t folder = key.key.rfind(kFolder);
    const std::optional<Id128> node =
        folder != std::string::npos
            ? parse_id128(std::string_view(key.key).substr(folder + kFolder.size()))
            : std::nullopt;
    if (!node) return unexpected_shape("a member's key does not end with its id");
    ASSIGN_OR_RETURN(replication::MemberKey member, decode_member(key.value));
    member.node = *node;
    view.members.push_back(std::move(member));
  }
  return {};
}

// A transaction's answer: whether the compares held. `responses` of the branch taken.
struct TransactionAnswer {
  bool held = false;
  const json::array* responses = nullptr;
};

Result<TransactionAnswer> decode_transaction(const json::object& body) {
  ASSIGN_OR_RETURN([[maybe_unused]] const json::object* header, object_field(body, "header"));
  TransactionAnswer answer;
  // What is false is left out.
  if (body.contains("succeeded")) {
    ASSIGN_OR_RETURN(answer.held, bool_field(body, "succeeded"));
  }
  ASSIGN_OR_RETURN(answer.responses, array_field(body, "responses"));
  return answer;
}

Result<dcs::Answer> decode_view(const json::object& body) {
  constexpr std::size_t kRanges = 5;
  ASSIGN_OR_RETURN(const TransactionAnswer answer, decode_transaction(body));
  if (!answer.held || answer.responses->size() != kRanges) {
    return unexpected_shape("the keys were not read");
  }
  const json::array& responses = *answer.responses;
  dcs::Viewed viewed;
  RETURN_IF_ERROR(decode_leader_and_epoch(responses, viewed.view));
  ASSIGN_OR_RETURN(const auto sync, decode_single(responses[2], "sync"));
  if (sync) {
    ASSIGN_OR_RETURN(viewed.view.sync, decode_sync(sync->value));
    viewed.view.sync->revision = sync->revision;
  }
  ASSIGN_OR_RETURN(const auto cluster, decode_single(responses[3], "cluster"));
  if (cluster) {
    ASSIGN_OR_RETURN(viewed.view.cluster, decode_cluster(cluster->value));
  }
  RETURN_IF_ERROR(decode_members(responses[4], viewed.view));
  return viewed;
}

// The revision of a key that the transaction put with its operation `index`.
Result<Revision> put_revision(const json::array& responses, std::size_t index) {
  const json::object* response = index < responses.size() ? responses[index].if_object() : nullptr;
  if (response == nullptr) return unexpected_shape("an operation without its response");
  ASSIGN_OR_RETURN(const json::object* put, object_field(*response, "response_put"));
  ASSIGN_OR_RETURN(const json::object* header, object_field(*put, "header"));
  ASSIGN_OR_RETURN(const Revision revision, int_field(*header, "revision"));
  if (revision == 0) return unexpected_shape("a key was put at revision 0");
  return revision;
}

// `puts`: the operation that put the key whose revision is wanted is the first; else it is 0.
// `operations`: how many responses there are if the guards held.
Result<dcs::Answer> decode_guarded(const json::object& body, bool puts, std::size_t operations) {
  ASSIGN_OR_RETURN(const TransactionAnswer answer, decode_transaction(body));
  dcs::Guarded guarded{answer.held, 0};
  if (answer.responses->size() != (answer.held ? operations : 0)) {
    return unexpected_shape("a transaction with " + std::to_string(answer.responses->size()) +
                            " responses");
  }
  if (answer.held && puts) {
    ASSIGN_OR_RETURN(guarded.revision, put_revision(*answer.responses, 0));
  }
  return guarded;
}

Result<dcs::Answer> decode_lease(const json::object& body) {
  ASSIGN_OR_RETURN([[maybe_unused]] const json::object* header, object_field(body, "header"));
  dcs::Leased leased;
  ASSIGN_OR_RETURN(leased.lease, int_field(body, "ID"));
  // Left out when it is zero: the lease is gone.
  ASSIGN_OR_RETURN(const std::int64_t seconds, int_field_or_zero(body, "TTL"));
  constexpr std::int64_t kSecondsMax = 1'000'000'000;  // as etcd's own limit
  if (leased.lease == 0 || seconds > kSecondsMax) return unexpected_shape("a lease without id");
  leased.ttl = std::chrono::seconds(seconds);
  return leased;
}

Result<dcs::Answer> decode_granted(const json::object& body) {
  ASSIGN_OR_RETURN(const dcs::Answer answer, decode_lease(body));
  if (std::get<dcs::Leased>(answer).ttl <= Duration{}) {
    return unexpected_shape("a lease was granted for no time");
  }
  return answer;
}

// The stream of keepalives has each answer inside of "result".
Result<dcs::Answer> decode_kept_alive(const json::object& body, LeaseId lease) {
  ASSIGN_OR_RETURN(const json::object* result, object_field(body, "result"));
  ASSIGN_OR_RETURN(const dcs::Answer answer, decode_lease(*result));
  if (std::get<dcs::Leased>(answer).lease != lease) {
    return unexpected_shape("the answer is about another lease");
  }
  return answer;
}

Result<dcs::Answer> decode_header_only(const json::object& body) {
  ASSIGN_OR_RETURN([[maybe_unused]] const json::object* header, object_field(body, "header"));
  return dcs::Guarded{true, 0};
}

// What etcd says went wrong; nothing: `body` does not look like an error of etcd's.
std::optional<std::string> error_message(const json::object& body) {
  const json::value* error = body.if_contains("error");
  if (error == nullptr) return std::nullopt;
  // In a stream the error is an object.
  const json::object* inner = error->if_object();
  const Result<std::string_view> text =
      inner != nullptr ? text_field(*inner, "message") : text_field(body, "error");
  return std::string(text.value_or("an error without a message"));
}

bool needs_lease(const dcs::Request& request) {
  return std::holds_alternative<dcs::Register>(request) ||
         std::holds_alternative<dcs::Acquire>(request) ||
         std::holds_alternative<dcs::Revoke>(request);
}

Result<dcs::Answer> decode_error(const dcs::Request& request, const std::string& message) {
  if (message == "etcdserver: requested lease not found" && needs_lease(request)) {
    // Gone is what Revoke wants.
    if (std::holds_alternative<dcs::Revoke>(request)) return dcs::Guarded{false, 0};
    return make_error(ErrorCode::not_found, "etcd: the lease is gone");
  }
  return make_error(ErrorCode::unavailable, "etcd: " + message);
}

Result<dcs::Answer> decode_body(const dcs::Request& request, const json::object& body) {
  return std::visit(
      Overloaded{
          [&](const dcs::Read&) { return decode_view(body); },
          [&](const dcs::GrantLease&) { return decode_granted(body); },
          [&](const dcs::KeepAlive& asked) { return decode_kept_alive(body, asked.lease); },
          [&](const dcs::Revoke&) { return decode_header_only(body); },
          [&](const dcs::Register&) { return decode_header_only(body); },
          [&](const dcs::Acquire& asked) {
            const bool names_cluster = asked.cluster && !asked.cluster_seen;
            return decode_guarded(body, true, names_cluster ? 3 : 2);
          },
          [&](const dcs::Confirm&) { return decode_guarded(body, false, 1); },
          [&](const dcs::PutSync&) { return decode_guarded(body, true, 2); },
          [&](const dcs::Release&) { return decode_guarded(body, false, 1); },
      },
      request);
}

}  // namespace

Result<std::string> key_prefix(std::string_view cluster_name) {
  const bool known = std::ranges::all_of(cluster_name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (!known || cluster_name.empty() || cluster_name.size() > kNameMax) {
    return make_error(ErrorCode::invalid_argument,
                      "'" + std::string(cluster_name) +
                          "' cannot name a cluster: 1 to 64 letters, digits, '-', '_' and '.'");
  }
  return "/zeolite/" + std::string(cluster_name) + "/";
}

HttpCall encode(const dcs::Request& request, std::string_view prefix) {
  return std::visit(
      Overloaded{
          [&](const dcs::Read&) { return encode_read(prefix); },
          [](const dcs::GrantLease& asked) {
            const auto seconds = std::chrono::ceil<std::chrono::seconds>(asked.ttl);
            return lease_call("/v3/lease/grant", {{"TTL", std::to_string(seconds.count())}});
          },
          [](const dcs::KeepAlive& asked) {
            return lease_call("/v3/lease/keepalive", {{"ID", std::to_string(asked.lease)}});
          },
          [](const dcs::Revoke& asked) {
            return lease_call("/v3/lease/revoke", {{"ID", std::to_string(asked.lease)}});
          },
          [&](const dcs::Register& asked) {
            const std::string key = std::string(prefix) + "members/" + to_hex(asked.member.node);
            return HttpCall{"/v3/kv/put", json::serialize(json::object{
                                              {"key", to_base64(key)},
                                              {"value", to_base64(encode_member(asked.member))},
                                              {"lease", std::to_string(asked.lease)}})};
          },
          [&](const dcs::Acquire& asked) { return encode_acquire(asked, prefix); },
          [&](const dcs::Confirm& asked) {
            Transaction confirm(prefix);
            confirm.if_leader(asked.leader_revision);
            confirm.remove(kNothing);
            return std::move(confirm).call();
          },
          [&](const dcs::PutSync& asked) {
            Transaction put(prefix);
            put.if_leader(asked.leader_revision);
            put.if_revision("sync", asked.sync.revision);
            put.put("sync", encode_sync(asked.sync));
            put.put(history_key(asked.sync.epoch), encode_history(asked.sync.leader));
            return std::move(put).call();
          },
          [&](const dcs::Release& asked) {
            Transaction release(prefix);
            release.if_leader(asked.leader_revision);
            release.remove("leader");
            return std::move(release).call();
          },
      },
      request);
}

Result<dcs::Answer> decode(const dcs::Request& request, unsigned http_status,
                           std::string_view body) {
  Result<json::object> object = parse_object(body);
  if (!object) {
    return make_error(ErrorCode::protocol_error, "etcd answered with HTTP status " +
                                                     std::to_string(http_status) + " and " +
                                                     object.error().detail);
  }
  if (const std::optional<std::string> message = error_message(*object)) {
    return decode_error(request, *message);
  }
  if (http_status != 200) {
    return unexpected_shape("etcd answered with HTTP status " + std::to_string(http_status));
  }
  Result<dcs::Answer> answer = decode_body(request, *object);
  if (!answer) return std::unexpected(std::move(answer).error().prefixed("etcd's answer"));
  return answer;
}

bool may_repeat(const dcs::Request& request) {
  return !std::holds_alternative<dcs::Acquire>(request) &&
         !std::holds_alternative<dcs::PutSync>(request) &&
         !std::holds_alternative<dcs::Release>(request);
}

}  // namespace zeolite::etcd
