#include <gtest/gtest.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "model/max_epoch.h"
#include "wire/codec_fixture.h"
#include "wire/sample_messages.h"

namespace zeolite::wire {
namespace {

ReplicaAppend append_of(std::vector<TransactionRecord> records) {
  return {Epoch(8), sample_position(), std::move(records)};
}

// Whether a message with the first record of the samples, changed by `change`, decodes.
bool accepts(const std::function<void(TransactionRecord&)>& change) {
  std::vector<TransactionRecord> records(sample_records());
  change(records[0]);
  return decode(frame_of(append_of(std::move(records)))).has_value();
}

TEST(CodecAppend, RecordsEncodeAsTheMessageMadeOfThem) {
  const ReplicaAppend message = append_of(sample_records());
  for (const std::size_t compress_from : {std::size_t{0}, SIZE_MAX}) {
    std::string expected;
    encode(message, 0, expected, compress_from);
    std::string encoded;
    encode_append(message.epoch, message.previous, message.records, encoded, compress_from);
    EXPECT_EQ(encoded, expected);
  }
}

TEST(CodecAppend, DataSharesTheFramesMemory) {
  const Frame frame = frame_of(append_of(sample_records()));
  const auto decoded = std::get<ReplicaAppend>(decode(frame).value());
  const ByteView data = decoded.records[0].writes[0].data.view();
  EXPECT_EQ(data, "a record");
  EXPECT_GE(data.data(), frame.body.view().data());
  EXPECT_LE(data.data() + data.size(), frame.body.view().data() + frame.body.size());
}

TEST(CodecAppend, LargeGroupsComeBack) {
  std::vector<TransactionRecord> records = sample_records();
  records.resize(1);
  const Tid first = records[0].tid;
  for (std::uint64_t i = 1; i < 2'000; ++i) {
    TransactionRecord record;
    record.epoch = Epoch(8);
    record.tid = Tid(first.value() + i);
    record.commit_id = {sample_id(1), i};
    for (std::uint64_t j = 0; j < i % 20; ++j) {
      record.writes.push_back(
          {Oid(i - j), Tid(j), RevisionKind::data, Bytes(std::string(i, 'd')), kNoTid});
    }
    records.push_back(std::move(record));
  }
  const Message message = append_of(std::move(records));
  EXPECT_TRUE(decode(frame_of(message)).value() == message);
  EXPECT_TRUE(decode(frame_of(message, 4096)).value() == message);
}

TEST(CodecAppend, TheNameOfAStagedBlobIsNotSent) {
  std::vector<TransactionRecord> records = sample_records();
  records[0].writes[0].staged_blob = "/staging/1";
  const auto decoded = decode(frame_of(append_of(records)));
  EXPECT_TRUE(decoded.value() == Message(append_of(sample_records())));
}

TEST(CodecAppend, RecordsStandInTheOrderOfTheLog) {
  const auto accepted = [](const std::function<void(ReplicaAppend&)>& change) {
    ReplicaAppend message = append_of(sample_records());
    change(message);
    return decode(frame_of(message)).has_value();
  };
  EXPECT_TRUE(accepted([](ReplicaAppend&) {}));
  EXPECT_FALSE(accepted([](ReplicaAppend& m) { m.previous.tid = m.records[0].tid; }));
  EXPECT_FALSE(accepted([](ReplicaAppend& m) { m.records[1].tid = m.records[0].tid; }));
  EXPECT_FALSE(accepted([](ReplicaAppend& m) { std::swap(m.records[1].tid, m.records[2].tid); }));
}

TEST(CodecAppend, EpochsDoNotDecreaseNorExceedTheSenders) {
  const auto accepted = [](const std::function<void(ReplicaAppend&)>& change) {
    ReplicaAppend message = append_of(sample_records());
    change(message);
    return decode(frame_of(message)).has_value();
  };
  EXPECT_FALSE(accepted([](ReplicaAppend& m) { m.previous.epoch = Epoch(8); }));
  EXPECT_FALSE(accepted([](ReplicaAppend& m) { m.records[1].epoch = Epoch(6); }));
  EXPECT_FALSE(accepted([](ReplicaAppend& m) { m.records[4].epoch = Epoch(7); }));
  EXPECT_FALSE(accepted([](ReplicaAppend& m) { m.epoch = Epoch(7); }));
  EXPECT_TRUE(accepted([](ReplicaAppend& m) { m.epoch = kMaxEpoch; }));
  EXPECT_FALSE(accepted([](ReplicaAppend& m) { m.epoch = kMaxEpoch.next(); }));
}

TEST(CodecAppend, ATidIsNotBeyondTheGreatest) {
  const auto last_at = [](Tid tid) {
    std::vector<TransactionRecord> records = sample_records();
    records.back().tid = tid;
    return decode(frame_of(append_of(std::move(records)))).has_value();
  };
  EXPECT_TRUE(last_at(kMaxTid));
  EXPECT_FALSE(last_at(kMaxTid.next()));
}

TEST(CodecAppend, AnObjectStandsOnceInARecord) {
  EXPECT_FALSE(accepts([](TransactionRecord& r) { r.writes[1].oid = r.writes[0].oid; }));
  EXPECT_FALSE(accepts([](TransactionRecord& r) { r.writes[3].oid = r.writes[0].oid; }));
}

TEST(CodecAppend, KindsThatDoNotExistAreRefused) {
  EXPECT_FALSE(accepts([](TransactionRecord& r) { r.kind = static_cast<RecordKind>(0); }));
  EXPECT_FALSE(accepts([](TransactionRecord& r) { r.kind = static_cast<RecordKind>(200); }));
  for (const int kind : {0, 4}) {
    EXPECT_FALSE(
        accepts([&](TransactionRecord& r) { r.writes[3].kind = static_cast<RevisionKind>(kind); }));
  }
}

TEST(CodecAppend, AWriteHasWhatItsKindHas) {
  constexpr std::size_t kData = 0;
  constexpr std::size_t kBackPointer = 1;
  constexpr std::size_t kDeletion = 2;
  const auto refused = [](std::size_t i, const std::function<void(ObjectWrite&)>& change) {
    return !accepts([&](TransactionRecord& r) { change(r.writes[i]); });
  };
  const auto with_data = [](ObjectWrite& w) { w.data = Bytes::copy_of("x"); };
  EXPECT_TRUE(refused(kBackPointer, with_data));
  EXPECT_TRUE(refused(kDeletion, with_data));
  const auto with_back = [](ObjectWrite& w) { w.back = Tid(1); };
  EXPECT_TRUE(refused(kData, with_back));
  EXPECT_TRUE(refused(kDeletion, with_back));
  EXPECT_TRUE(refused(kDeletion, [](ObjectWrite& w) { w.blob.emplace(); }));
  EXPECT_TRUE(refused(kData, [](ObjectWrite& w) { w.via = Tid(1); }));
}

TEST(CodecAppend, APackGoesNotBeyondItsRecord) {
  std::vector<TransactionRecord> records = sample_records();
  records[4].pack_horizon = records[4].tid;
  EXPECT_FALSE(decode(frame_of(append_of(records))));
}

TEST(CodecAppend, LimitOfMetadataIsKept) {
  EXPECT_TRUE(accepts([](TransactionRecord& r) { r.metadata.user.assign(65'535, 'u'); }));
  EXPECT_FALSE(accepts([](TransactionRecord& r) { r.metadata.user.assign(65'536, 'u'); }));
}

}  // namespace
}  // namespace zeolite::wire
