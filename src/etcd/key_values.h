#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "replication/dcs.h"

// What stands in the cluster's keys: small JSON objects that an operator can read with etcdctl.
//
//   leader        {"v":1,"node":"<32 hex>","name":"a","address":"10.0.0.1:8100","epoch":7,
//                 "lease_ms":3000}
//   epoch         {"v":1,"epoch":7}
//   sync          {"v":1,"leader":"<32 hex>","epoch":7,"members":["<32 hex>"],"automatic":true}
//   cluster       {"v":1,"cluster":"<32 hex>"}
//   members/NODE  {"v":1,"name":"b","address":"10.0.0.2:8100","role":"standby","last_tid":"<16
//   hex>"} history/EPOCH {"v":1,"leader":"<32 hex>"}
//
// A reader ignores fields it does not know; `v` is raised only when it must not.
namespace zeolite::etcd {

[[nodiscard]] std::string encode_leader(const replication::LeaderKey& leader);
[[nodiscard]] std::string encode_epoch(Epoch epoch);
[[nodiscard]] std::string encode_sync(const replication::SyncKey& sync);
// Never changes: transactions compare it byte by byte.
[[nodiscard]] std::string encode_cluster(const Id128& cluster);
[[nodiscard]] std::string encode_member(const replication::MemberKey& member);
[[nodiscard]] std::string encode_history(const replication::NodeId& leader);

// The reverse. What stands beside the value in etcd (revision, lease, the member's node) is left at
// its default. Errors: protocol_error, too_new (another `v`).
[[nodiscard]] Result<replication::LeaderKey> decode_leader(std::string_view value);
[[nodiscard]] Result<Epoch> decode_epoch(std::string_view value);
[[nodiscard]] Result<replication::SyncKey> decode_sync(std::string_view value);
[[nodiscard]] Result<Id128> decode_cluster(std::string_view value);
[[nodiscard]] Result<replication::MemberKey> decode_member(std::string_view value);

}  // namespace zeolite::etcd
