#include "etcd/key_values.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/milliseconds.h"
#include "etcd/json_fields.h"
#include "model/max_epoch.h"

namespace zeolite::etcd {

namespace json = boost::json;
using replication::LeaderKey;
using replication::MemberKey;
using replication::SyncKey;

namespace {

constexpr std::uint64_t kVersion = 1;
// Longer than anything that can be set, and no overflow when it is counted in nanoseconds.
constexpr std::uint64_t kLeaseMsMax = 24ULL * 60 * 60 * 1000;

Result<json::object> parse_value(std::string_view value) {
  ASSIGN_OR_RETURN(json::object object, parse_object(value));
  ASSIGN_OR_RETURN(const std::uint64_t version, uint_field(object, "v"));
  if (version != kVersion) {
    return make_error(ErrorCode::too_new,
                      "version " + std::to_string(version) +
                          " of a value in etcd; this program knows version 1: update it");
  }
  return object;
}

Result<Epoch> epoch_field(const json::object& object) {
  ASSIGN_OR_RETURN(const std::uint64_t epoch, uint_field(object, "epoch"));
  if (Epoch(epoch) > kMaxEpoch) {
    return make_error(ErrorCode::protocol_error, "'epoch' is beyond the greatest");
  }
  return Epoch(epoch);
}

}  // namespace

std::string encode_leader(const LeaderKey& leader) {
  return json::serialize(json::object{{"v", kVersion},
                                      {"node", to_hex(leader.node)},
                                      {"name", leader.name},
                                      {"address", leader.address},
                                      {"epoch", leader.epoch.value()},
                                      {"lease_ms", whole_milliseconds(leader.ttl)}});
}

std::string encode_epoch(Epoch epoch) {
  return json::serialize(json::object{{"v", kVersion}, {"epoch", epoch.value()}});
}

std::string encode_sync(const SyncKey& sync) {
  json::array members;
  for (const replication::NodeId& member : sync.members) members.emplace_back(to_hex(member));
  return json::serialize(json::object{{"v", kVersion},
                                      {"leader", to_hex(sync.leader)},
                                      {"epoch", sync.epoch.value()},
                                      {"members", std::move(members)},
                                      {"automatic", sync.automatic}});
}

std::string encode_cluster(const Id128& cluster) {
  return json::serialize(json::object{{"v", kVersion}, {"cluster", to_hex(cluster)}});
}

std::string encode_member(const MemberKey& member) {
  return json::serialize(json::object{{"v", kVersion},
                                      {"name", member.name},
                                      {"address", member.address},
                                      {"role", member.role},
                                      {"last_tid", to_hex(member.last_tid)}});
}

std::string encode_history(const replication::NodeId& leader) {
  return json::serialize(json::object{{"v", kVersion}, {"leader", to_hex(leader)}});
}

Result<LeaderKey> decode_leader(std::string_view value) {
  ASSIGN_OR_RETURN(const json::object object, parse_value(value));
  LeaderKey leader;
  ASSIGN_OR_RETURN(leader.node, id_field(object, "node"));
  ASSIGN_OR_RETURN(leader.name, text_field(object, "name"));
  ASSIGN_OR_RETURN(leader.address, text_field(object, "address"));
  ASSIGN_OR_RETURN(leader.epoch, epoch_field(object));
  ASSIGN_OR_RETURN(const std::uint64_t lease, uint_field(object, "lease_ms"));
  if (lease > kLeaseMsMax) {
    return make_error(ErrorCode::protocol_error, "'lease_ms' is longer than any lease");
  }
  leader.ttl = std::chrono::milliseconds(lease);
  return leader;
}

Result<Epoch> decode_epoch(std::string_view value) {
  ASSIGN_OR_RETURN(const json::object object, parse_value(value));
  return epoch_field(object);
}

Result<SyncKey> decode_sync(std::string_view value) {
  ASSIGN_OR_RETURN(const json::object object, parse_value(value));
  SyncKey sync;
  ASSIGN_OR_RETURN(sync.leader, id_field(object, "leader"));
  ASSIGN_OR_RETURN(sync.epoch, epoch_field(object));
  // Absent would be empty elsewhere; here that would be a claim about who may be promoted.
  if (!object.contains("members")) {
    return make_error(ErrorCode::protocol_error, "'members' is not an array");
  }
  ASSIGN_OR_RETURN(const json::array* members, array_field(object, "members"));
  for (const json::value& member : *members) {
    const json::string* text = member.if_string();
    const std::optional<Id128> id =
        text != nullptr ? parse_id128({text->data(), text->size()}) : std::nullopt;
    if (!id) return make_error(ErrorCode::protocol_error, "a member of 'members' is not an id");
    sync.members.push_back(*id);
  }
  ASSIGN_OR_RETURN(sync.automatic, bool_field(object, "automatic"));
  return sync;
}

Result<Id128> decode_cluster(std::string_view value) {
  ASSIGN_OR_RETURN(const json::object object, parse_value(value));
  return id_field(object, "cluster");
}

Result<MemberKey> decode_member(std::string_view value) {
  ASSIGN_OR_RETURN(const json::object object, parse_value(value));
  MemberKey member;
  ASSIGN_OR_RETURN(member.name, text_field(object, "name"));
  ASSIGN_OR_RETURN(member.address, text_field(object, "address"));
  ASSIGN_OR_RETURN(member.role, text_field(object, "role"));
  ASSIGN_OR_RETURN(const std::string_view tid, text_field(object, "last_tid"));
  const std::optional<std::uint64_t> number = parse_hex_u64(tid);
  if (!number) return make_error(ErrorCode::protocol_error, "'last_tid' is not a transaction id");
  member.last_tid = Tid(*number);
  return member;
}

}  // namespace zeolite::etcd
