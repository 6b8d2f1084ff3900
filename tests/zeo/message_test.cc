#include "zeo/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <span>
#include <string>
#include <vector>

#include "zeo/client_messages.h"
#include "zeo/sample_messages.h"

// What holds in both encodings.
namespace zeolite::zeo {
namespace {

using pickle::Dict;
using pickle::None;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class MessageTest : public testing::TestWithParam<Encoding> {
 protected:
  static Encoding encoding() { return GetParam(); }

  static Call read(const SampleMessage& message) {
    auto call = decode_call(encoding(), message.bytes(encoding()));
    EXPECT_TRUE(call.has_value()) << call.error().detail;
    return call ? std::move(*call) : Call{};
  }
  // Encodes `message`, which a client might send, with the functions for answers.
  static Bytes written(const Value& message) {
    std::string out;
    encode_result(encoding(), Value(), message, out);
    // The value within (None, 0, ".reply", value).
    const std::size_t before = encoding() == Encoding::pickle ? 4 + 3 + 1 + 2 + 11 : 4 + 3 + 7;
    const std::size_t after = encoding() == Encoding::pickle ? 2 : 0;
    std::string value = out.substr(before, out.size() - before - after);
    if (encoding() == Encoding::pickle) value = "\x80\x03" + value + ".";
    return Bytes(std::move(value));
  }
  static std::string refusal(const Value& message) {
    const auto call = decode_call(encoding(), written(message));
    if (call) return "read";
    EXPECT_EQ(call.error().code, ErrorCode::protocol_error);
    return call.error().detail;
  }

  // Expects what was written to be `message` with its length, behind what was there.
  static void expect_written(const std::string& out, const SampleMessage& message) {
    const Bytes body = message.bytes(encoding());
    std::string expected = "before";
    put_u32(expected, static_cast<std::uint32_t>(body.size()));
    expected += body.view();
    EXPECT_EQ(to_hex(out), to_hex(expected));
  }
};
INSTANTIATE_TEST_SUITE_P(Encodings, MessageTest,
                         testing::Values(Encoding::pickle, Encoding::msgpack),
                         [](const auto& test) {
                           return test.param == Encoding::pickle ? "Pickle" : "Msgpack";
                         });

TEST_P(MessageTest, ReadsACallWithReply) {
  const Call call = read(kRegister);
  EXPECT_EQ(call.id, number(1));
  EXPECT_FALSE(call.one_way);
  EXPECT_FALSE(call.heartbeat);
  EXPECT_EQ(call.method, "register");
  EXPECT_THAT(call.arguments, ElementsAre(Value::text("1"), Value(false)));
}

TEST_P(MessageTest, ReadsALoadWithItsTupleAsId) {
  const Call call = read(kLoadBefore);
  EXPECT_EQ(call.id, load_id());
  EXPECT_EQ(call.method, "loadBefore");
  EXPECT_THAT(call.arguments, ElementsAre(id_value(kOid.value()), id_value(kTid.value())));
}

TEST_P(MessageTest, ReadsOneWayCalls) {
  const Call store = read(kStore);
  EXPECT_TRUE(store.one_way);
  EXPECT_EQ(store.method, "storea");
  EXPECT_THAT(store.arguments, ElementsAre(id_value(kOid.value()), id_value(kTid.value()),
                                           Value::bytes("record"), number(140213372036854)));
  const Call begin = read(kBegin);
  EXPECT_THAT(begin.arguments,
              ElementsAre(number(7), Value::bytes("user"), Value::bytes("description"),
                          Value(Dict{{{Value::text("k"), Value::text("v")}}}), Value(None{}),
                          Value::text(" ")));
}

TEST_P(MessageTest, ReadsACallWithoutArguments) { EXPECT_THAT(read(kPing).arguments, IsEmpty()); }

TEST_P(MessageTest, AHeartbeatIsToldByItsId) {
  const Call call = read(kHeartbeat);
  EXPECT_TRUE(call.heartbeat);
  EXPECT_EQ(call.method, "");
  EXPECT_THAT(call.arguments, IsEmpty());
}

TEST_P(MessageTest, RecordsAreSlicesOfTheMessage) {
  const Bytes body = kStore.bytes(encoding());
  const auto call = decode_call(encoding(), body);
  ASSERT_TRUE(call.has_value());
  const Bytes* record = call->arguments[2].get<Bytes>();
  ASSERT_NE(record, nullptr);
  EXPECT_GE(record->view().data(), body.view().data());
  EXPECT_LE(record->view().data() + record->size(), body.view().data() + body.size());
}

TEST_P(MessageTest, CutShortAnywhereItIsRefused) {
  for (const SampleMessage& message : {kHeartbeat, kRegister, kLoadBefore, kStore, kBegin, kPing}) {
    const Bytes body = message.bytes(encoding());
    for (std::size_t size = 0; size < body.size(); ++size) {
      const auto call = decode_call(encoding(), Bytes::copy_of(body.view().substr(0, size)));
      ASSERT_FALSE(call.has_value()) << size;
      EXPECT_EQ(call.error().code, ErrorCode::protocol_error);
    }
    EXPECT_FALSE(decode_call(encoding(), Bytes(std::string(body.view()) + "N")).has_value());
  }
}

TEST_P(MessageTest, OtherShapesAreRefused) {
  const Value one = number(1);
  const Value name = Value::text("ping");
  const Value none = Value::tuple();
  EXPECT_EQ(refusal(Value::tuple(one, Value(false), name, none)), "read");
  EXPECT_EQ(refusal(Value::tuple(one, number(0), Value::bytes("ping"), none)), "read");
  EXPECT_THAT(refusal(one), HasSubstr("sequence of four"));
  EXPECT_THAT(refusal(Value::tuple(one, Value(false), name)), HasSubstr("sequence of four"));
  EXPECT_THAT(refusal(Value::tuple(one, one, name, none, none)), HasSubstr("sequence of four"));
  EXPECT_THAT(refusal(Value::tuple(name, Value(false), name, none)), HasSubstr("id"));
  EXPECT_THAT(refusal(Value::tuple(Value(true), Value(false), name, none)), HasSubstr("id"));
  EXPECT_THAT(refusal(Value::tuple(one, name, name, none)), HasSubstr("flag"));
  EXPECT_THAT(refusal(Value::tuple(one, Value(false), one, none)), HasSubstr("method"));
  EXPECT_THAT(refusal(Value::tuple(one, Value(false), name, one)), HasSubstr("arguments"));
  EXPECT_THAT(refusal(Value::tuple(one, Value(false), name, Value(None{}))),
              HasSubstr("arguments"));
}

// It is kept until the call is answered.
TEST_P(MessageTest, AnIdIsANumberOrAShortPair) {
  const auto said = [](const Value& id) {
    return refusal(Value::tuple(id, Value(false), Value::text("ping"), Value::tuple()));
  };
  const Value oid = id_value(kOid.value());
  EXPECT_EQ(said(Value::tuple(oid, oid)), "read");
  EXPECT_EQ(said(Value::tuple(Value::bytes("short"), Value::text("text"))), "read");
  EXPECT_EQ(said(Value::tuple(Value(None{}), number(1))), "read");
  EXPECT_THAT(said(Value::tuple(oid, oid, oid)), HasSubstr("id"));
  EXPECT_THAT(said(Value::tuple(oid, Value::tuple(oid, oid))), HasSubstr("id"));
  EXPECT_THAT(said(Value::tuple(oid, Value::bytes(std::string(65, 'x')))), HasSubstr("id"));
  EXPECT_THAT(said(Value::tuple(oid, Value::text(std::string(65, 'x')))), HasSubstr("id"));
  if (encoding() == Encoding::pickle) {
    EXPECT_THAT(said(Value(pickle::BigInteger{std::string(17, '\x7f')})), HasSubstr("id"));
  }
}

TEST_P(MessageTest, BombsAreRefused) {
  Value deep = Value::tuple();
  for (int i = 0; i < 101; ++i) deep = Value::tuple(deep);
  const auto call = [](const Value& argument) {
    return Value::tuple(number(1), Value(false), Value::text("ping"), Value::tuple(argument));
  };
  EXPECT_THAT(refusal(call(deep)), HasSubstr("too deep"));
  pickle::Tuple many;
  many.items.resize(300'000);
  EXPECT_THAT(refusal(call(Value(std::move(many)))), HasSubstr("too many values"));
}

TEST_P(MessageTest, WritesAResult) {
  std::string out = "before";
  encode_result(encoding(), number(1), id_value(kTid.value()), out);
  expect_written(out, kResult);
}

TEST_P(MessageTest, WritesAnException) {
  std::string out = "before";
  encode_exception(encoding(), number(7),
                   {"ZODB.POSException.POSKeyError", Value::tuple(id_value(kOid.value()))}, out);
  expect_written(out, kError);
}

TEST_P(MessageTest, WritesAOneWayCall) {
  std::string out = "before";
  const std::array arguments = {
      Value(Dict{{{Value::text("length"), number(3)}, {Value::text("size"), number(70000)}}})};
  encode_one_way(encoding(), "info", arguments, out);
  expect_written(out, kInfo);
}

TEST_P(MessageTest, WritesWhatWasLoaded) {
  std::string out = "before";
  encode_loaded(encoding(), load_id(), "data", kTid, kNoTid, out);
  expect_written(out, kLoaded);
}

TEST_P(MessageTest, WritesInvalidations) {
  std::string out = "before";
  encode_invalidation(encoding(), kTid, std::array{kOid}, out);
  expect_written(out, kInvalidateOne);
  out = "before";
  encode_invalidation(encoding(), kTid, std::array{kOid, kOtherOid}, out);
  expect_written(out, kInvalidateTwo);
}

TEST_P(MessageTest, WritesWhatWasMissedInTwoSteps) {
  for (const std::size_t count : {0U, 1U, 2U, 15U, 16U, 1000U, 70'000U}) {
    for (const std::size_t added : {0U, 1U, 2U}) {
      std::vector<Oid> oids;
      pickle::List list;
      for (std::size_t i = 0; i < count + added; ++i) {
        oids.emplace_back(i);
        list.items.push_back(id_value(i));
      }
      const std::span<const Oid> all = oids;
      InvalidationsAnswer answer(encoding(), number(7), all.first(count));
      const std::string written = std::move(answer).finish(kTid, all.subspan(count));
      ASSERT_EQ(get_u32(written.data()) + 4, written.size());
      const ServerMessage read =
          read_server_message(encoding(), Bytes::copy_of(ByteView(written).substr(4)));
      EXPECT_EQ(read.id, number(7));
      EXPECT_EQ(read.name, ".reply");
      const Value items = encoding() == Encoding::pickle ? Value(std::move(list))
                                                         : Value(pickle::Tuple{list.items});
      EXPECT_TRUE(read.value == Value::tuple(id_value(kTid.value()), items)) << count;
    }
  }
}

TEST_P(MessageTest, TheShortcutsWriteWhatTheirValuesWould) {
  for (const std::size_t size : {0U, 255U, 256U, 70'000U}) {
    const std::string data(size, 'd');
    std::string quick;
    encode_loaded(encoding(), load_id(), data, kTid, Tid(99), quick);
    std::string slow;
    encode_result(encoding(), load_id(),
                  Value::tuple(Value::bytes(data), id_value(kTid.value()), id_value(99)), slow);
    EXPECT_TRUE(quick == slow) << size;
  }
  for (const std::size_t count : {0U, 1U, 2U, 15U, 16U, 999U, 1000U, 1001U, 70'000U}) {
    std::vector<Oid> oids;
    pickle::List list;
    for (std::size_t i = 0; i < count; ++i) {
      oids.emplace_back(i);
      list.items.push_back(id_value(i));
    }
    std::string quick;
    encode_invalidation(encoding(), kTid, oids, quick);
    std::string slow;
    encode_one_way(encoding(), "invalidateTransaction",
                   std::array{id_value(kTid.value()), Value(std::move(list))}, slow);
    EXPECT_TRUE(quick == slow) << count;
  }
}

}  // namespace
}  // namespace zeolite::zeo
