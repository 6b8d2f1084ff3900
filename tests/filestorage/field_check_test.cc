#include "filestorage/field_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "filestorage/sample_file.h"

namespace zeolite::filestorage {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// One field of the sample file with a value that cannot be right.
struct Damage {
  std::string name;
  std::uint64_t Sample::* base;  // what the field is part of
  std::uint64_t field = 0;       // its offset in that
  std::string value;             // what is put there
  std::string says;              // part of the error
  std::size_t before = 0;        // transactions returned before it
};

std::string u64(std::uint64_t value) {
  std::string bytes;
  put_u64(bytes, value);
  return bytes;
}

class FieldCheckDamage : public testing::TestWithParam<Damage> {};

TEST_P(FieldCheckDamage, IsReportedWithByteTransactionAndField) {
  const Damage& damage = GetParam();
  Sample sample;
  const std::uint64_t offset = sample.*damage.base + damage.field;
  sample.file.bytes().replace(offset, damage.value.size(), damage.value);
  const Read result = read(sample.file.bytes());
  ASSERT_TRUE(result.error.has_value());
  EXPECT_EQ(result.error->code, ErrorCode::corruption);
  EXPECT_THAT(result.error->detail, StartsWith("at byte "));
  EXPECT_THAT(result.error->detail, HasSubstr("in transaction "));
  EXPECT_THAT(result.error->detail, HasSubstr(damage.says));
  EXPECT_EQ(result.transactions.size(), damage.before);
  EXPECT_FALSE(result.tail.has_value());
}

INSTANTIATE_TEST_SUITE_P(
    EachField, FieldCheckDamage,
    testing::Values(
        Damage{"TidGoesBack", &Sample::second, 0, u64(kT1.value()), "not above that of", 1},
        Damage{"TidTooGreat", &Sample::second, 0, u64(~0ULL), "above the greatest", 1},
        Damage{"TidIsAnother", &Sample::second, 0, u64(kT2.value() + 1), "has the tid", 1},
        Damage{"LengthTooSmall", &Sample::second, 8, u64(22), "its header alone takes", 1},
        Damage{"LengthOffByOne", &Sample::second, 8, u64(23 + 13 + 51 + 50 + 1),
               "closing length says", 1},
        Damage{"LengthTooLarge", &Sample::second, 8, u64(100'000), "its records end before", 1},
        Damage{"LengthBeyondAllNumbers", &Sample::second, 8, u64(~0ULL), "records end before", 1},
        Damage{"Status", &Sample::second, 16, "x", "status is 'x'", 1},
        Damage{"StatusNotPrintable", &Sample::second, 16, std::string(1, '\0'), "status is 0x00",
               1},
        Damage{"UserLength", &Sample::second, 17, std::string("\x00\x05", 2), "has the tid", 1},
        Damage{"ExtensionLength", &Sample::second, 21, "\xff\xff", "its header alone takes", 1},
        Damage{"RecordTid", &Sample::second_a, 8, u64(kT1.value()), "has the tid", 1},
        Damage{"RecordTransaction", &Sample::second_a, 24, u64(4), "its transaction begins at", 1},
        Damage{"RecordVersion", &Sample::second_a, 32, std::string("\x00\x07", 2), "version", 1},
        Damage{"DataLengthTooLarge", &Sample::second_a, 34, u64(10'000), "data length of 10000", 1},
        Damage{"DataLengthBeyondAllNumbers", &Sample::second_a, 34, u64(~0ULL), "data length", 1},
        Damage{"DataLengthTooSmall", &Sample::second_a, 34, u64(8),
               "data length of the record that begins at byte 185 leads to byte 235", 1},
        Damage{"LastDataLengthTooSmall", &Sample::first_b, 34, u64(8), "a record begins 1 bytes",
               0},
        Damage{"ClosingLength", &Sample::third, std::uint64_t{0} - 8, u64(7),
               "closing length says 7", 1},
        Damage{"BackPointerForward", &Sample::third_a, 42, u64(1'000'000), "no earlier record", 2},
        Damage{"BackPointerToItself", &Sample::third_a, 42, u64(400), "no", 2},
        Damage{"BackPointerIntoTheMagic", &Sample::third_a, 42, u64(2), "no earlier record", 2},
        Damage{"BackPointerBetweenRecords", &Sample::third_a, 42, u64(45),
               "no record of that object", 2}),
    [](const auto& test) { return test.param.name; });

// The record at byte 103 of the transaction at byte 80, with room for one more header behind it.
class FieldCheckRecord : public testing::Test {
 protected:
  static constexpr std::uint64_t kBegin = 80, kBefore = 103, kOffset = 160, kEnd = 300;

  FieldCheckRecord() {
    transaction_.offset = kBegin;
    transaction_.header.tid = kT2;
    record_.oid = kB;
    record_.tid = kT2;
    record_.transaction_offset = kBegin;
    record_.data_bytes = 10;
  }

  PlacedTransaction transaction_;
  RecordHeader record_;
};

TEST_F(FieldCheckRecord, WrongLengthOfTheRecordBeforeIsNamedWithBothPlaces) {
  record_.tid = kT1;
  record_.transaction_offset = 5;
  const Result<> result = check_record(transaction_, record_, kOffset, kEnd, kBefore);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().detail, StartsWith("at byte 137: in transaction " + to_hex(kT2)));
  EXPECT_THAT(result.error().detail, HasSubstr("record that begins at byte 103 leads to byte 160"));
  EXPECT_THAT(result.error().detail, HasSubstr("has the tid " + to_hex(kT1)));
}

TEST_F(FieldCheckRecord, TooLittleRoomBehindTheRecordBeforeIsItsLength) {
  const Result<> result = check_record(transaction_, record_, kEnd - 1, kEnd, kBefore);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().detail, StartsWith("at byte 137: "));
  EXPECT_THAT(result.error().detail, HasSubstr("leads to byte 299, where a record begins 1 bytes"));
}

TEST_F(FieldCheckRecord, OneWrongFieldIsItselfAndNotTheRecordBefore) {
  record_.tid = kT1;
  const Result<> wrong_tid = check_record(transaction_, record_, kOffset, kEnd, kBefore);
  ASSERT_FALSE(wrong_tid.has_value());
  EXPECT_THAT(wrong_tid.error().detail, StartsWith("at byte 168: "));
  record_.tid = kT2;
  record_.transaction_offset = 5;
  const Result<> wrong_place = check_record(transaction_, record_, kOffset, kEnd, kBefore);
  ASSERT_FALSE(wrong_place.has_value());
  EXPECT_THAT(wrong_place.error().detail, StartsWith("at byte 184: "));
}

TEST(FieldCheck, DataLengthTooSmallIsReportedAtTheLengthItself) {
  Sample sample;
  sample.file.set_u64(sample.second_a + 34, 8);
  const Read result = read(sample.file.bytes());
  ASSERT_TRUE(result.error.has_value());
  EXPECT_THAT(result.error->detail, StartsWith("at byte " + std::to_string(sample.second_a + 34)));
}

TEST(FieldCheck, ErrorNamesTheExactByte) {
  Sample sample;
  const std::uint64_t closing = sample.third - 8;
  sample.file.set_u64(closing, 7);
  const Read result = read(sample.file.bytes());
  ASSERT_TRUE(result.error.has_value());
  EXPECT_THAT(result.error->detail,
              StartsWith("at byte " + std::to_string(closing) + ": in transaction " + to_hex(kT2)));
}

}  // namespace
}  // namespace zeolite::filestorage
