#include "wire/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#include "wire/codec_fixture.h"
#include "wire/sample_messages.h"

namespace zeolite::wire {
namespace {

class EveryMessage : public testing::TestWithParam<Message> {};

INSTANTIATE_TEST_SUITE_P(Codec, EveryMessage, testing::ValuesIn(sample_messages()));

TEST_P(EveryMessage, ComesBackAsItWas) {
  const Frame frame = frame_of(GetParam());
  EXPECT_EQ(frame.request_id, 17U);
  const Result<Message> decoded = decode(frame);
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_TRUE(*decoded == GetParam());
}

TEST_P(EveryMessage, ComesBackCompressed) {
  const Result<Message> decoded = decode(frame_of(GetParam(), 0));
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_TRUE(*decoded == GetParam());
}

TEST_P(EveryMessage, OfDefaultValuesComesBackOrIsRefused) {
  std::visit(
      [](const auto& m) {
        const std::remove_cvref_t<decltype(m)> empty{};
        const Result<Message> decoded = decode(frame_of(empty));
        if (decoded) {
          EXPECT_TRUE(*decoded == Message(empty));
        }
      },
      GetParam());
}

TEST_P(EveryMessage, HasOneEncoding) {
  // The same message encodes to the same bytes: nothing of the buffer's past leaks into it.
  std::string once;
  encode(GetParam(), 1, once);
  std::string twice(once.size() + 64, '\xAA');
  twice.clear();
  encode(GetParam(), 1, twice);
  EXPECT_EQ(once, twice);
}

TEST_P(EveryMessage, WithAnyBitOfItsBodyFlippedIsReadOrRefused) {
  const Frame frame = frame_of(GetParam());
  const std::string body(frame.body.view());
  for (std::size_t bit = 0; bit < body.size() * 8; ++bit) {
    std::string changed = body;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    const auto decoded = decode({frame.type, 0, Bytes(std::move(changed))});
    if (!decoded) {
      EXPECT_EQ(decoded.error().code, ErrorCode::protocol_error);
    }
  }
}

TEST_P(EveryMessage, CutShortIsRefused) {
  const Frame frame = frame_of(GetParam());
  for (std::size_t size = 0; size < frame.body.size(); ++size) {
    const auto decoded = decode({frame.type, 0, Bytes::copy_of(frame.body.view().substr(0, size))});
    ASSERT_FALSE(decoded) << size;
    EXPECT_EQ(decoded.error().code, ErrorCode::protocol_error);
  }
}

TEST_P(EveryMessage, ReadAsAnyOtherTypeIsReadOrRefused) {
  const Frame frame = frame_of(GetParam());
  for (int type = 0; type < 256; ++type) {
    const auto decoded = decode({static_cast<std::uint8_t>(type), 0, frame.body});
    if (!decoded) {
      EXPECT_EQ(decoded.error().code, ErrorCode::protocol_error);
    }
  }
}

TEST(Codec, SamplesCoverEveryType) {
  std::set<std::size_t> seen;
  for (const Message& message : sample_messages()) seen.insert(message.index());
  EXPECT_EQ(seen.size(), std::variant_size_v<MessageVariant>);
}

TEST(Codec, BytesShareTheFramesMemory) {
  const std::string record(300, 'r');
  const Frame frame = frame_of(Loaded{LoadedStatus::found, Bytes::copy_of(record), Tid(1), {}});
  const auto loaded = std::get<Loaded>(decode(frame).value());
  const ByteView data = loaded.data.view();
  EXPECT_EQ(data, record);
  EXPECT_GE(data.data(), frame.body.view().data());
  EXPECT_LE(data.data() + data.size(), frame.body.view().data() + frame.body.size());
}

TEST(Codec, FramesFollowEachOtherInOneBuffer) {
  std::string bytes;
  for (const Message& message : sample_messages()) encode(message, 3, bytes);
  FrameDecoder decoder(kBodyMaxDefault);
  decoder.feed(Bytes(std::move(bytes)));
  for (const Message& message : sample_messages()) {
    const auto frame = decoder.next();
    ASSERT_TRUE(frame && *frame);
    EXPECT_TRUE(decode(**frame).value() == message);
  }
}

TEST(Codec, LargeMessagesComeBack) {
  Commit commit = sample_commit_body<Commit>();
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    commit.writes.push_back({Oid(i), Tid(1), RevisionKind::data, Bytes(std::string(i % 50, 'd'))});
    commit.reads.push_back({Oid(i), Tid(2)});
  }
  commit.writes.push_back({Oid(1), Tid(1), RevisionKind::data, Bytes(std::string(5'000'000, 'b'))});
  EXPECT_TRUE(decode(frame_of(commit)).value() == Message(commit));
  EXPECT_TRUE(decode(frame_of(commit, 4096)).value() == Message(commit));
}

TEST(Codec, LimitsOfCountsAreKept) {
  for (const std::uint32_t count : {1U, 10'000U}) {
    EXPECT_TRUE(decode(frame_of(NewOids{count})));
    EXPECT_TRUE(decode(frame_of(Oids{Oid(1), count})));
    EXPECT_TRUE(decode(frame_of(Walk{Oid(1), count})));
    EXPECT_TRUE(decode(frame_of(ReadLog{Tid(1), Tid(2), count})));
  }
  for (const std::uint32_t count : {0U, 10'001U, 0xFFFFFFFFU}) {
    EXPECT_FALSE(decode(frame_of(NewOids{count})));
    EXPECT_FALSE(decode(frame_of(Oids{Oid(1), count})));
    EXPECT_FALSE(decode(frame_of(Walk{Oid(1), count})));
    EXPECT_FALSE(decode(frame_of(ReadLog{Tid(1), Tid(2), count})));
  }
}

TEST(Codec, LimitsOfListsAreKept) {
  EXPECT_TRUE(decode(frame_of(LoadMany{std::vector<Oid>(10'000), Tid(1)})));
  EXPECT_FALSE(decode(frame_of(LoadMany{std::vector<Oid>(10'001), Tid(1)})));
  EXPECT_FALSE(decode(frame_of(LoadedMany{std::vector<Loaded>(10'001)})));
  EXPECT_FALSE(decode(frame_of(Walked{std::vector<Walked::Item>(10'001), {}})));
  LogReply log;
  log.items.resize(10'001);
  EXPECT_FALSE(decode(frame_of(log)));
  EXPECT_FALSE(decode(frame_of(Topology{{}, {}, std::vector<std::string>(10'001)})));
  EXPECT_TRUE(decode(frame_of(Invalidate{Tid(1), std::vector<Oid>(10'001), true})));
}

TEST(Codec, LimitOfMetadataIsKept) {
  Commit commit;
  commit.metadata.description.assign(65'535, 'd');
  EXPECT_TRUE(decode(frame_of(commit)));
  commit.metadata.description.push_back('d');
  EXPECT_FALSE(decode(frame_of(commit)));
}

TEST(Codec, EnumeratorsOutOfRangeAreRefused) {
  EXPECT_FALSE(decode(frame_of(Loaded{static_cast<LoadedStatus>(4), {}, {}, {}})));
  Welcome welcome;
  welcome.role = static_cast<NodeRole>(3);
  EXPECT_FALSE(decode(frame_of(welcome)));
  EXPECT_FALSE(decode(frame_of(RoleChanged{static_cast<NodeRole>(3), {}, {}})));
  ReplicaWelcome answer;
  answer.decision = static_cast<ReplicaWelcome::Decision>(0);
  EXPECT_FALSE(decode(frame_of(answer)));
  answer.decision = static_cast<ReplicaWelcome::Decision>(6);
  EXPECT_FALSE(decode(frame_of(answer)));
  EXPECT_FALSE(decode(frame_of(ErrorReply{Error{static_cast<ErrorCode>(0), ""}})));
  EXPECT_FALSE(decode(frame_of(ErrorReply{Error{static_cast<ErrorCode>(1000), ""}})));
}

TEST(Codec, APieceOfABlobLiesWithinIt) {
  const auto decoded = [](std::uint64_t offset, std::uint64_t size) {
    return decode(frame_of(ReplicaBlob{Oid(1), Tid(2), offset, size, Bytes::copy_of("piece")}))
        .has_value();
  };
  EXPECT_TRUE(decoded(0, 5));
  EXPECT_TRUE(decoded(95, 100));
  EXPECT_FALSE(decoded(96, 100));
  EXPECT_FALSE(decoded(101, 100));
  EXPECT_FALSE(decoded(0xFFFFFFFFFFFFFFFF, 100));
}

TEST(Codec, AWriteIsDataOrDeletion) {
  const auto decoded = [](RevisionKind kind, Bytes data) {
    Commit commit;
    commit.writes.push_back({Oid(1), Tid(1), kind, std::move(data)});
    return decode(frame_of(commit)).has_value();
  };
  EXPECT_TRUE(decoded(RevisionKind::data, Bytes::copy_of("x")));
  EXPECT_TRUE(decoded(RevisionKind::deletion, {}));
  EXPECT_FALSE(decoded(RevisionKind::deletion, Bytes::copy_of("x")));
  EXPECT_FALSE(decoded(RevisionKind::back_pointer, {}));
  EXPECT_FALSE(decoded(static_cast<RevisionKind>(0), {}));
}

// A body is a segment table, then words; these build hostile ones by hand.
class HostileBody {
 public:
  explicit HostileBody(std::uint32_t words) {
    put_u32(0);
    put_u32(words);
  }
  void put_u32(std::uint32_t v) { bytes_.append(reinterpret_cast<const char*>(&v), sizeof v); }
  void put_word(std::uint64_t v) { bytes_.append(reinterpret_cast<const char*>(&v), sizeof v); }
  void put_zeros(std::size_t words) { bytes_.append(words * 8, '\0'); }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

  static constexpr std::uint64_t struct_pointer(std::uint64_t offset, std::uint64_t data_words,
                                                std::uint64_t pointers) {
    return offset << 2 | data_words << 32 | pointers << 48;
  }
  static constexpr std::uint64_t kOneByte = 2;
  static constexpr std::uint64_t kNoBytes = 0;
  static constexpr std::uint64_t list_pointer(std::uint64_t offset, std::uint64_t element,
                                              std::uint64_t count) {
    return 1 | offset << 2 | element << 32 | count << 35;
  }

 private:
  std::string bytes_;
};

// A body of ours as a later version would send it: its root struct has one number and one pointer
// more than we know. The root comes first; what it points to lies behind it.
std::string with_later_fields(ByteView body) {
  std::vector<std::uint64_t> words(body.size() / 8);
  std::memcpy(words.data(), body.data(), body.size());
  constexpr std::size_t kRoot = 2;  // after the segment table and the root's pointer
  const std::uint64_t numbers = words[1] >> 32 & 0xFFFF;
  const std::uint64_t pointers = words[1] >> 48;
  const std::size_t first_pointer = kRoot + numbers;
  for (std::size_t i = 0; i < pointers; ++i) {
    // All that is pointed to moves away by the new pointer.
    if (words[first_pointer + i] != 0) words[first_pointer + i] += 1 << 2;
  }
  words[1] = HostileBody::struct_pointer(0, numbers + 1, pointers + 1);
  const auto at = [&](std::size_t i) { return words.begin() + static_cast<std::ptrdiff_t>(i); };
  const std::uint64_t behind = words.size() - first_pointer - pointers;
  words.insert(at(first_pointer + pointers),
               HostileBody::list_pointer(behind, HostileBody::kOneByte, 8));
  words.insert(at(first_pointer), 0x0123'4567'89AB'CDEF);
  words.push_back(~std::uint64_t{0});
  words[0] = static_cast<std::uint64_t>(words.size() - 1) << 32;
  return {reinterpret_cast<const char*>(words.data()), words.size() * 8};
}

TEST(Codec, FieldsOfALaterVersionAreIgnored) {
  for (const Message& message : sample_messages()) {
    const Frame frame = frame_of(message);
    const auto decoded = decode({frame.type, 0, Bytes(with_later_fields(frame.body.view()))});
    ASSERT_TRUE(decoded) << int{frame.type} << ": " << decoded.error().to_string();
    EXPECT_TRUE(*decoded == message) << int{frame.type};
  }
}

TEST(Codec, FieldsOfALaterVersionInListsAreIgnored) {
  // Two conflicts, each with one number and one pointer more than ours have.
  constexpr std::uint64_t kWordsOfOne = 6;
  constexpr std::uint64_t kComposite = 7;
  HostileBody body(3 + 2 * kWordsOfOne);
  body.put_word(HostileBody::struct_pointer(0, 0, 1));
  body.put_word(HostileBody::list_pointer(0, kComposite, 2 * kWordsOfOne));
  body.put_word(HostileBody::struct_pointer(2, kWordsOfOne - 1, 1));
  for (const std::uint64_t oid : {std::uint64_t{1}, std::uint64_t{2}}) {
    for (const std::uint64_t number :
         {oid, oid + 10, oid + 20, std::uint64_t{1}, ~oid, std::uint64_t{0}}) {
      body.put_word(number);
    }
  }
  const auto decoded = decode_body(MessageType::conflicted, body.bytes());
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_TRUE(*decoded == Message(Conflicted{{{Oid(1), Tid(11), Tid(21), true},
                                              {Oid(2), Tid(12), Tid(22), true}}}));
}

TEST(Codec, AListOfBytesReadAsStructsIsRefused) {
  // 8,000 elements of one byte would become 8,000 structs.
  HostileBody body(2 + 1000);
  body.put_word(HostileBody::struct_pointer(0, 0, 1));
  body.put_word(HostileBody::list_pointer(0, HostileBody::kOneByte, 8000));
  body.put_zeros(1000);
  const auto decoded = decode_body(MessageType::conflicted, body.bytes());
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().detail, testing::HasSubstr("lists longer than it has room for"));
}

TEST(Codec, ListsThatShareTheirMemoryAreRefused) {
  // Both lists of a stage point to the same words: together they have no room.
  constexpr std::uint64_t kWrites = 100;
  HostileBody body(4 + kWrites * 4);
  body.put_word(HostileBody::struct_pointer(0, 1, 2));
  body.put_word(1);
  constexpr std::uint64_t kComposite = 7;
  body.put_word(HostileBody::list_pointer(1, kComposite, kWrites * 4));
  body.put_word(HostileBody::list_pointer(0, kComposite, kWrites * 4));
  body.put_word(HostileBody::struct_pointer(kWrites, 3, 1));
  body.put_zeros(kWrites * 4 - 1);
  EXPECT_FALSE(decode_body(MessageType::stage, body.bytes()));
}

TEST(Codec, AListOfNothingIsRefused) {
  HostileBody body(2);
  body.put_word(HostileBody::struct_pointer(0, 0, 1));
  body.put_word(HostileBody::list_pointer(0, HostileBody::kNoBytes, 0x1FFFFFFF));
  EXPECT_FALSE(decode_body(MessageType::conflicted, body.bytes()));
  EXPECT_FALSE(decode_body(MessageType::verify_report, body.bytes()));
}

TEST(Codec, AListBeyondTheBodyIsRefused) {
  HostileBody body(2);
  body.put_word(HostileBody::struct_pointer(0, 0, 1));
  body.put_word(HostileBody::list_pointer(0, HostileBody::kOneByte, 100));
  EXPECT_FALSE(decode_body(MessageType::ping, body.bytes()));
}

TEST(Codec, BytesAfterTheMessageAreRefused) {
  HostileBody body(1);
  body.put_word(HostileBody::struct_pointer(0, 0, 0));
  EXPECT_TRUE(decode_body(MessageType::voted, body.bytes()));
  body.put_zeros(1);
  const auto decoded = decode_body(MessageType::voted, body.bytes());
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().detail, testing::HasSubstr("bytes after its end"));
}

TEST(Codec, AnIdThatIsNot16BytesIsRefused) {
  // An outcome query whose session pointer is null.
  HostileBody body(4);
  body.put_word(HostileBody::struct_pointer(0, 2, 1));
  body.put_zeros(3);
  const auto decoded = decode_body(MessageType::outcome, body.bytes());
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().detail, testing::HasSubstr("an id that is not 16 bytes"));
}

TEST(Codec, SegmentsWithoutEndAreRefused) {
  std::string body;
  for (int i = 0; i < 4; ++i) body.append("\xFF\xFF\xFF\xFF", 4);
  EXPECT_FALSE(decode_body(MessageType::load, body));
  EXPECT_FALSE(decode_body(MessageType::load, ""));
}

}  // namespace
}  // namespace zeolite::wire
