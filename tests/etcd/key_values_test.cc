#include "etcd/key_values.h"

#include <gtest/gtest.h>

#include "model/max_epoch.h"

namespace zeolite::etcd {
namespace {

using replication::LeaderKey;
using replication::MemberKey;
using replication::SyncKey;

constexpr Id128 kNode = {1, 2, 3};
constexpr Id128 kOther = {0xff};
constexpr const char* kNodeHex = "01020300000000000000000000000000";

LeaderKey leader() {
  return {.node = kNode,
          .name = "a",
          .address = "10.0.0.1:8100",
          .epoch = Epoch(7),
          .ttl = std::chrono::seconds(3)};
}
SyncKey sync() {
  return {.leader = kNode, .epoch = Epoch(7), .members = {kOther}, .automatic = false};
}
MemberKey member() {
  return {.node = {}, .name = "b", .address = "h:1", .role = "standby", .last_tid = Tid(255)};
}

TEST(KeyValues, AreWhatTheHeaderShows) {
  const std::string node = kNodeHex;
  EXPECT_EQ(encode_leader(leader()),
            R"({"v":1,"node":")" + node +
                R"(","name":"a","address":"10.0.0.1:8100","epoch":7,"lease_ms":3000})");
  EXPECT_EQ(encode_epoch(Epoch(7)), R"({"v":1,"epoch":7})");
  EXPECT_EQ(encode_sync(sync()),
            R"({"v":1,"leader":")" + node +
                R"(","epoch":7,"members":["ff000000000000000000000000000000"],"automatic":false})");
  EXPECT_EQ(encode_cluster(kNode), R"({"v":1,"cluster":")" + node + R"("})");
  EXPECT_EQ(encode_member(member()),
            R"({"v":1,"name":"b","address":"h:1","role":"standby","last_tid":"00000000000000ff"})");
  EXPECT_EQ(encode_history(kNode), R"({"v":1,"leader":")" + node + R"("})");
}

TEST(KeyValues, ComeBackAsTheyWere) {
  EXPECT_EQ(decode_leader(encode_leader(leader())), leader());
  EXPECT_EQ(decode_epoch(encode_epoch(kMaxEpoch)), kMaxEpoch);
  EXPECT_EQ(decode_sync(encode_sync(sync())), sync());
  EXPECT_EQ(decode_cluster(encode_cluster(kOther)), kOther);
  EXPECT_EQ(decode_member(encode_member(member())), member());
}

TEST(KeyValues, KeepNamesWithAnyBytes) {
  LeaderKey odd = leader();
  odd.name = std::string("\"\\\n\xff", 4) + '\0';
  EXPECT_EQ(decode_leader(encode_leader(odd)), odd);
}

TEST(KeyValues, IgnoreFieldsOfLaterPrograms) {
  EXPECT_EQ(decode_epoch(R"({"v":1,"epoch":"7","more":[1]})"), Epoch(7));
}

TEST(KeyValues, RefuseAnotherVersion) {
  const auto epoch = decode_epoch(R"({"v":2,"epoch":7})");
  ASSERT_FALSE(epoch);
  EXPECT_EQ(epoch.error().code, ErrorCode::too_new);
}

// The one after it would be no epoch at all.
TEST(KeyValues, RefuseAnEpochBeyondTheGreatest) {
  EXPECT_FALSE(decode_epoch(encode_epoch(kMaxEpoch.next())));
  EXPECT_FALSE(decode_epoch(encode_epoch(Epoch(UINT64_MAX))));
  LeaderKey leading = leader();
  leading.epoch = kMaxEpoch.next();
  EXPECT_FALSE(decode_leader(encode_leader(leading)));
  SyncKey synced = sync();
  synced.epoch = kMaxEpoch.next();
  EXPECT_FALSE(decode_sync(encode_sync(synced)));
}

TEST(KeyValues, RefuseALeaseThatNobodyCanSet) {
  const std::string node = kNodeHex;
  const auto with = [&](const std::string& lease) {
    return decode_leader(R"({"v":1,"node":")" + node + R"(","name":"","address":"","epoch":1)" +
                         lease + "}");
  };
  EXPECT_EQ(with(R"(,"lease_ms":86400000)")->ttl, std::chrono::hours(24));
  EXPECT_FALSE(with(R"(,"lease_ms":86400001)"));
  EXPECT_FALSE(with(R"(,"lease_ms":18446744073709551615)"));
  EXPECT_FALSE(with("")) << "it would be taken for a leader that serves for no time";
}

TEST(KeyValues, RefuseWhatLacksAField) {
  EXPECT_FALSE(decode_epoch(""));
  EXPECT_FALSE(decode_epoch(R"({"epoch":7})"));
  EXPECT_FALSE(decode_epoch(R"({"v":1})"));
  EXPECT_FALSE(decode_leader(R"({"v":1,"node":"00","name":"","address":"","epoch":1})"));
  EXPECT_FALSE(decode_member(R"({"v":1,"name":"","address":"","role":"","last_tid":"x"})"));
  EXPECT_FALSE(decode_cluster(R"({"v":1})"));
}

// Nothing that is not there may be taken for "nobody" or "nobody else".
TEST(KeyValues, RefuseASyncKeyWithoutMembers) {
  const std::string leader_id = kNodeHex;
  EXPECT_FALSE(
      decode_sync(R"({"v":1,"leader":")" + leader_id + R"(","epoch":7,"automatic":true})"));
  EXPECT_FALSE(decode_sync(R"({"v":1,"leader":")" + leader_id +
                           R"(","epoch":7,"members":["0"],"automatic":true})"));
  EXPECT_FALSE(decode_sync(R"({"v":1,"leader":")" + leader_id + R"(","epoch":7,"members":[]})"));
}

}  // namespace
}  // namespace zeolite::etcd
