#include "storage/record_codec.h"

#include <gtest/gtest.h>

#include "storage/store_builders.h"

namespace zeolite::storage::testing {
namespace {

TransactionRecord full_record() {
  return record(0x20)
      .epoch(7)
      .commit(9, 4)
      .metadata("user", "description", "ext")
      .data(1, "abc")
      .back(2, 0x10, 0x18)
      .deletion(3, 0x19);
}

std::string full_value() {
  ChainHash body{};
  body.fill(0xB0);
  std::string value = encode_log_entry(full_record(), Tid(0x1F), body);
  ChainHash chain{};
  chain.fill(0xC0);
  put_id128(value, chain);
  return value;
}

// The chain hashes these bytes: they may never change.
TEST(RecordCodec, LogEntryBytesAreFixed) {
  EXPECT_EQ(to_hex(ByteView(full_value())),
            "01012001"
            "0000000000000007"
            "0000000000000020"
            "000000000000001f"
            "09090909090909090909090909090909"
            "0000000000000004"
            "000475736572"
            "000b6465736372697074696f6e"
            "0003657874"
            "00000003"
            "01"
            "0000000000000001"
            "0000000000000000"
            "00000003"
            "02"
            "0000000000000002"
            "0000000000000018"
            "0000000000000010"
            "03"
            "0000000000000003"
            "0000000000000019"
            "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"
            "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0");
}

TEST(RecordCodec, LogEntryComesBack) {
  const Result<LogEntry> entry = decode_log_entry(Tid(0x20), full_value());
  ASSERT_TRUE(entry) << entry.error().to_string();
  EXPECT_EQ(entry->position.epoch, Epoch(7));
  EXPECT_EQ(entry->previous_tid, Tid(0x1F));
  EXPECT_EQ(entry->metadata, full_record().metadata);
  EXPECT_EQ(entry->objects.size(), 3U);
  const TransactionRecord without_data = record_without_data(*entry);
  EXPECT_EQ(without_data.commit_id, full_record().commit_id);
  EXPECT_EQ(without_data.writes[1].back, Tid(0x10));
}

TEST(RecordCodec, AnEntryThatWasReadIsEncodedAsItWas) {
  for (const TransactionRecord& made :
       {TransactionRecord(full_record()), TransactionRecord(record(9, RecordKind::oids).mark(77)),
        TransactionRecord(record(9, RecordKind::pack).pack(8, true)),
        removal(9, 8, {key(1, 7), key(1, 2), key(300, 5)}, true), removal(9, 8, {}),
        TransactionRecord(record(9).data(1, "abc").blob(5).back(2, 3, 4).blob(6).deletion(8))}) {
    std::string value = encode_log_entry(made, Tid(7), {});
    const std::string covered = value;
    put_id128(value, ChainHash{});
    EXPECT_EQ(encode_log_entry(decode_log_entry(made.tid, value).value()), covered);
  }
}

TEST(RecordCodec, BytesOfBlobsAndPacksAreFixed) {
  const std::string head =
      "0000000000000001"
      "0000000000000009"
      "0000000000000000";
  EXPECT_EQ(to_hex(ByteView(encode_log_entry(record(9).data(1, "abc").blob(5), kNoTid, {}))),
            "01012000" + head +
                "0000"
                "0000"
                "0000"
                "00000001"
                "81"
                "0000000000000001"
                "0000000000000000"
                "00000003"
                "0000000000000005"
                "01020300000000000000000000000000"
                "00000000000000000000000000000000");
  EXPECT_EQ(
      to_hex(ByteView(encode_log_entry(record(9, RecordKind::pack).pack(8, true), kNoTid, {}))),
      "01052000" + head +
          "0000000000000008"
          "01"
          "0000"
          "0000"
          "0000"
          "00000000"
          "00000000000000000000000000000000");
}

TEST(RecordCodec, BytesOfRemovalsAreFixed) {
  const TransactionRecord made = removal(9, 8, {key(1, 7), key(1, 2), key(300, 5)}, true);
  EXPECT_EQ(to_hex(ByteView(encode_log_entry(made, kNoTid, {}))),
            "01062000"
            "0000000000000001"
            "0000000000000009"
            "0000000000000000"
            "0000000000000008"
            "01"
            "00000003"
            "0101"    // object 1, the tid before the pack's
            "0005"    // the same object, 5 before that
            "ab0206"  // 299 objects on, 3 after that
            "0000"
            "0000"
            "0000"
            "00000000"
            "00000000000000000000000000000000");
}

TEST(RecordCodec, RemovalsComeBackOrAreDamage) {
  const TransactionRecord made = removal(9, 8, {key(1, 7), key(1, 2), key(300, 5)}, true);
  std::string value = encode_log_entry(made, kNoTid, {});
  put_id128(value, ChainHash{});
  const LogEntry entry = decode_log_entry(Tid(9), value).value();
  EXPECT_EQ(entry.removed, made.removed);
  EXPECT_EQ(entry.pack_record, Tid(8));
  EXPECT_TRUE(entry.pack_complete);
  const TransactionRecord again = record_without_data(entry);
  EXPECT_EQ(again.removed, made.removed);
  EXPECT_EQ(again.pack_record, Tid(8));
  EXPECT_TRUE(again.pack_complete);
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode_log_entry(Tid(9), ByteView(value).substr(0, size))) << size;
  }
  const auto with_byte = [&value](std::size_t at, char byte) {
    std::string changed = value;
    changed[at] = byte;
    return decode_log_entry(Tid(9), changed);
  };
  constexpr std::size_t kPackAt = 4 + 24;
  EXPECT_TRUE(with_byte(kPackAt + 8, 0)) << "not complete";
  EXPECT_FALSE(with_byte(kPackAt + 7, 9)) << "for a pack that is not before it";
  EXPECT_FALSE(with_byte(kPackAt + 8, 2)) << "complete, or not";
  EXPECT_FALSE(with_byte(kPackAt + 9, '\xFF')) << "four thousand million revisions";
}

TEST(RecordCodec, BlobsAndPacksComeBack) {
  const auto come_back = [](const TransactionRecord& made) {
    std::string value = encode_log_entry(made, kNoTid, {});
    put_id128(value, ChainHash{});
    return decode_log_entry(made.tid, value).value();
  };
  const LogEntry entry = come_back(record(9).data(1, "abc").blob(5).back(2, 3).blob(6).data(4, ""));
  EXPECT_EQ(entry.objects[0].blob, (BlobInfo{5, {1, 2, 3}}));
  EXPECT_EQ(entry.objects[1].blob, (BlobInfo{6, {1, 2, 3}}));
  EXPECT_FALSE(entry.objects[2].blob);
  EXPECT_EQ(record_without_data(entry).writes[1].blob, entry.objects[1].blob);
  const LogEntry pack = come_back(record(9, RecordKind::pack).pack(8, true));
  EXPECT_EQ(pack.pack_horizon, Tid(8));
  EXPECT_TRUE(pack.collect_garbage);
  EXPECT_TRUE(record_without_data(pack).collect_garbage);
  EXPECT_FALSE(come_back(record(9, RecordKind::pack).pack(7)).collect_garbage);
}

TEST(RecordCodec, WhatAnUndoNamedComesBack) {
  TransactionRecord record = full_record();
  record.writes[1].via = Tid(0x12);
  record.writes[2].via = Tid(0x13);
  std::string value = encode_log_entry(record, Tid(0x1F), {});
  put_id128(value, ChainHash{});
  const Result<LogEntry> entry = decode_log_entry(Tid(0x20), value);
  ASSERT_TRUE(entry) << entry.error().to_string();
  EXPECT_TRUE(entry->objects[0].via.is_zero());
  EXPECT_EQ(entry->objects[1].via, Tid(0x12));
  EXPECT_EQ(entry->objects[2].via, Tid(0x13));
  EXPECT_EQ(record_without_data(*entry).writes[2].via, Tid(0x13));
}

TEST(RecordCodec, EveryShorteningOfALogEntryIsDamage) {
  const std::string value = full_value();
  for (std::size_t size = 0; size < value.size(); ++size) {
    const Result<LogEntry> entry = decode_log_entry(Tid(0x20), ByteView(value).substr(0, size));
    ASSERT_FALSE(entry) << size;
    EXPECT_EQ(entry.error().code, ErrorCode::corruption);
  }
  EXPECT_FALSE(decode_log_entry(Tid(0x20), value + "x"));
}

TEST(RecordCodec, LyingLogEntriesAreDamage) {
  EXPECT_FALSE(decode_log_entry(Tid(0x21), full_value()));
  const auto with_byte = [](std::size_t at, char byte) {
    std::string value = full_value();
    value[at] = byte;
    return decode_log_entry(Tid(0x20), value);
  };
  EXPECT_FALSE(with_byte(0, 2)) << "version";
  EXPECT_FALSE(with_byte(1, 0)) << "kind";
  EXPECT_FALSE(with_byte(1, 7)) << "kind";
  EXPECT_FALSE(with_byte(3, 3)) << "flags";
  constexpr std::size_t kCountAt = 4 + 24 + 24 + 6 + 13 + 5;
  EXPECT_FALSE(with_byte(kCountAt, '\xFF')) << "four thousand million objects";
  EXPECT_FALSE(with_byte(kCountAt + 4, 9)) << "kind of a revision";
}

TEST(RecordCodec, SplitChainFindsTheLastSixteenBytes) {
  const std::string value = full_value();
  ByteView covered;
  ChainHash chain{};
  ASSERT_TRUE(split_chain(value, covered, chain));
  EXPECT_EQ(covered.size(), value.size() - 16);
  EXPECT_EQ(chain[0], 0xC0);
  EXPECT_FALSE(split_chain("too short", covered, chain));
}

TEST(RecordCodec, MetadataTooLongIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)encode_log_entry(record(1).metadata(std::string(65'536, 'x'), "", ""), kNoTid,
                                      ChainHash{}),
               "65,535");
}

std::string revision_value(Oid oid, Tid tid, RevisionKind kind, ByteView payload) {
  const auto head = encode_revision_head(oid, tid, kind, payload);
  return std::string(head.data(), head.size()) + std::string(payload);
}

TEST(RecordCodec, RevisionsComeBack) {
  const std::string data = revision_value(Oid(1), Tid(2), RevisionKind::data, "abc");
  EXPECT_EQ(decode_revision(Oid(1), Tid(2), data)->data, "abc");
  std::string back;
  put_tid(back, Tid(77));
  const std::string pointer = revision_value(Oid(1), Tid(2), RevisionKind::back_pointer, back);
  EXPECT_EQ(decode_revision(Oid(1), Tid(2), pointer)->back, Tid(77));
  const std::string deletion = revision_value(Oid(1), Tid(2), RevisionKind::deletion, "");
  EXPECT_EQ(decode_revision(Oid(1), Tid(2), deletion)->kind, RevisionKind::deletion);
  EXPECT_EQ(decode_revision_kind(Oid(1), Tid(2), deletion).value(), RevisionKind::deletion);
}

TEST(RecordCodec, EveryFlippedBitOfARevisionIsDamage) {
  const std::string value = revision_value(Oid(1), Tid(2), RevisionKind::data, "abc");
  for (std::size_t bit = 0; bit < value.size() * 8; ++bit) {
    std::string flipped = value;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const Result<RevisionView> revision = decode_revision(Oid(1), Tid(2), flipped);
    ASSERT_FALSE(revision) << bit;
    EXPECT_EQ(revision.error().code, ErrorCode::corruption);
  }
}

TEST(RecordCodec, RevisionUnderAnotherKeyIsDamage) {
  const std::string value = revision_value(Oid(1), Tid(2), RevisionKind::data, "abc");
  EXPECT_FALSE(decode_revision(Oid(2), Tid(2), value));
  EXPECT_FALSE(decode_revision(Oid(1), Tid(3), value));
  EXPECT_FALSE(decode_revision(Oid(1), Tid(2), "short"));
}

TEST(RecordCodec, OutcomesAndMarksComeBackOrAreDamage) {
  const Outcome outcome{Outcome::Kind::aborted, Tid(5)};
  EXPECT_EQ(decode_outcome(encode_outcome(outcome)).value(), outcome);
  EXPECT_FALSE(decode_outcome(encode_outcome(outcome) + "x"));
  EXPECT_FALSE(decode_outcome(encode_outcome(outcome).substr(1)));
  const Marks marks{Tid(1), Oid(2), Tid(3), Tid(4), Tid(5), Tid(6), true, true};
  EXPECT_EQ(decode_marks(encode_marks(marks)).value(), marks);
  EXPECT_FALSE(decode_marks(encode_marks(marks) + "x"));
  EXPECT_FALSE(decode_marks(""));
  std::string unknown = encode_marks(marks);
  unknown.back() = 4;
  EXPECT_FALSE(decode_marks(unknown));
}

TEST(RecordCodec, MarksOfALogWithoutAPackMayBeShort) {
  const Marks marks{Tid(1), Oid(2), Tid(3)};
  const std::string value = encode_marks(marks);
  EXPECT_EQ(decode_marks(value.substr(0, 25)).value(), marks);
  for (std::size_t size = 0; size < value.size(); ++size) {
    if (size == 25) continue;
    EXPECT_FALSE(decode_marks(ByteView(value).substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace zeolite::storage::testing
