#include "daemon/group_ring.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "wire/codec.h"

namespace zeolite::daemon {
namespace {

constexpr Epoch kEpoch{3};

TransactionRecord record(std::uint64_t tid, std::size_t size = 10) {
  TransactionRecord made;
  made.epoch = kEpoch;
  made.tid = Tid(tid);
  made.writes.push_back(
      {.oid = Oid(1), .previous = kNoTid, .data = Bytes(std::string(size, 'x')), .back = kNoTid});
  return made;
}

Position at(std::uint64_t tid) { return {kEpoch, Tid(tid), {}}; }

std::vector<std::uint64_t> lasts(const GroupRing::Found& found) {
  std::vector<std::uint64_t> tids;
  for (const GroupRing::Group& group : found.groups) tids.push_back(group.last.value());
  return tids;
}

wire::ReplicaAppend decoded(const std::string& bytes) {
  wire::FrameDecoder decoder(1 << 20);
  decoder.feed(Bytes::copy_of(bytes));
  const auto frame = decoder.next();
  EXPECT_TRUE(frame && *frame);
  Result<wire::Message> message = wire::decode(**frame);
  EXPECT_TRUE(message);
  return std::get<wire::ReplicaAppend>(*std::move(message));
}

TEST(GroupRing, KeepsNothingWhileNobodyIsFed) {
  GroupRing ring(1 << 20);
  const std::vector<TransactionRecord> group = {record(1)};
  EXPECT_FALSE(ring.push(kEpoch, {}, group));
  EXPECT_EQ(ring.last(), kNoTid);
  EXPECT_TRUE(ring.after(kNoTid, 1 << 20).missed);
  EXPECT_FALSE(ring.after(Tid(1), 1 << 20).missed) << "who has all of it misses nothing";
}

TEST(GroupRing, GivesTheGroupsThatFollowATid) {
  GroupRing ring(1 << 20);
  ring.set_wanted(true);
  const std::vector<TransactionRecord> first = {record(1), record(2)};
  const std::vector<TransactionRecord> second = {record(3)};
  EXPECT_TRUE(ring.push(kEpoch, at(0), first));
  EXPECT_EQ(ring.last(), Tid(2));
  EXPECT_TRUE(ring.push(kEpoch, at(2), second));
  EXPECT_EQ(ring.last(), Tid(3));
  EXPECT_EQ(lasts(ring.after(kNoTid, 1 << 20)), (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(lasts(ring.after(Tid(2), 1 << 20)), (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(lasts(ring.after(kNoTid, 1)), (std::vector<std::uint64_t>{2})) << "one at least";
  EXPECT_TRUE(ring.after(Tid(1), 1 << 20).missed) << "the middle of a group is read from the log";
  EXPECT_TRUE(ring.after(Tid(3), 1 << 20).groups.empty());
  const wire::ReplicaAppend message = decoded(*ring.after(kNoTid, 1).groups[0].frame);
  EXPECT_EQ(message.epoch, kEpoch);
  ASSERT_EQ(message.records.size(), 2U);
  EXPECT_EQ(message.records[1].tid, Tid(2));
}

TEST(GroupRing, ForgetsTheOldestWhenItIsFull) {
  GroupRing ring(3000);
  ring.set_wanted(true);
  for (std::uint64_t tid = 1; tid <= 10; ++tid) {
    const std::vector<TransactionRecord> group = {record(tid, 900)};
    ring.push(kEpoch, at(tid - 1), group);
  }
  EXPECT_TRUE(ring.after(Tid(1), 1 << 20).missed);
  EXPECT_FALSE(ring.after(Tid(9), 1 << 20).missed);
  EXPECT_EQ(lasts(ring.after(Tid(9), 1 << 20)), (std::vector<std::uint64_t>{10}));
}

TEST(GroupRing, AGroupThatIsTriedAgainIsThereOnce) {
  GroupRing ring(1 << 20);
  ring.set_wanted(true);
  const std::vector<TransactionRecord> group = {record(1), record(2)};
  const std::vector<TransactionRecord> part = {record(1)};
  const std::vector<TransactionRecord> more = {record(2), record(3)};
  EXPECT_TRUE(ring.push(kEpoch, at(0), group));
  EXPECT_FALSE(ring.push(kEpoch, at(0), part)) << "after the disk was full, one by one";
  EXPECT_EQ(lasts(ring.after(kNoTid, 1 << 20)), (std::vector<std::uint64_t>{2}));
  // Joined with what came meanwhile: its beginning was sent already, so it is read from the log.
  EXPECT_TRUE(ring.push(kEpoch, at(1), more));
  EXPECT_TRUE(ring.after(Tid(2), 1 << 20).missed);
  EXPECT_FALSE(ring.after(Tid(3), 1 << 20).missed);
}

TEST(GroupRing, LargeGroupsAreCompressedWhereThatHelps) {
  std::mt19937 random(1);
  std::string noise(8 * kCompressGroupsFrom, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  std::vector<TransactionRecord> group = {record(1, noise.size())};
  const auto encoded = [&group](std::size_t compress_from) {
    std::string frame;
    wire::encode_append(kEpoch, at(0), group, frame, compress_from);
    return frame;
  };
  const auto pushed = [&group] {
    GroupRing ring(1 << 20);
    ring.set_wanted(true);
    EXPECT_TRUE(ring.push(kEpoch, at(0), group));
    return *ring.after(kNoTid, 1 << 20).groups.at(0).frame;
  };
  const std::string smaller = pushed();
  EXPECT_LT(smaller.size(), noise.size() / 10);
  EXPECT_EQ(decoded(smaller).records, group);
  group[0].writes[0].data = Bytes(std::string(noise));
  EXPECT_TRUE(pushed() == encoded(SIZE_MAX)) << "it would not get smaller";
  group[0] = record(1, kCompressGroupsFrom / 2);
  EXPECT_TRUE(pushed() == encoded(SIZE_MAX)) << "a small one is not worth it";
}

TEST(GroupRing, AGroupWithBlobsIsReadFromTheLog) {
  GroupRing ring(1 << 20);
  ring.set_wanted(true);
  std::vector<TransactionRecord> group = {record(1)};
  group[0].writes[0].blob = BlobInfo{.size = 5, .hash = {}};
  EXPECT_TRUE(ring.push(kEpoch, at(0), group)) << "there is something to send";
  EXPECT_TRUE(ring.after(kNoTid, 1 << 20).missed);
}

}  // namespace
}  // namespace zeolite::daemon
