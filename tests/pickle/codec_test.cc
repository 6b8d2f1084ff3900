#include "pickle/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "pickle/sample_pickles.h"

namespace zeolite::pickle {
namespace {

using testing::HasSubstr;

std::string encoded(const Value& value) {
  std::string out;
  encode(value, out);
  return out;
}

TEST(Codec, WritesWhatZodbpickleWrites) { EXPECT_EQ(to_hex(encoded(sample())), kSampleFast); }

TEST(Codec, AppendsToWhatIsThere) {
  std::string out = "before";
  encode(Value(None{}), out);
  EXPECT_EQ(out, "before\x80\x03N.");
}

struct Sample {
  std::string_view name;
  std::string_view hex;
};
class CodecSampleTest : public testing::TestWithParam<Sample> {};
INSTANTIATE_TEST_SUITE_P(
    Samples, CodecSampleTest,
    testing::Values(Sample{"Fast", kSampleFast}, Sample{"Memo", kSampleMemo},
                    Sample{"Protocol0", kSampleProtocol0}, Sample{"Protocol1", kSampleProtocol1},
                    Sample{"Protocol2", kSampleProtocol2}, Sample{"Protocol3", kSampleProtocol3},
                    Sample{"Protocol4", kSampleProtocol4}, Sample{"Protocol5", kSampleProtocol5}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_P(CodecSampleTest, IsReadAsTheSameValue) {
  const auto value = decode(bytes_of_hex(GetParam().hex));
  ASSERT_TRUE(value.has_value()) << value.error().detail;
  EXPECT_EQ(*value, sample());
}

TEST_P(CodecSampleTest, IsRefusedWhenCutShortAnywhere) {
  const Bytes whole = bytes_of_hex(GetParam().hex);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // A copy of its own size, so that the sanitizer sees a step too far.
    const auto value = decode(Bytes::copy_of(whole.view().substr(0, size)));
    ASSERT_FALSE(value.has_value()) << size;
    EXPECT_EQ(value.error().code, ErrorCode::invalid_argument);
  }
}

TEST_P(CodecSampleTest, DoesNoHarmWhenAnyByteIsChanged) {
  const std::string whole(bytes_of_hex(GetParam().hex).view());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int change : {0x01, 0x80, 0xFF}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ change);
      const auto value = decode(Bytes(std::move(damaged)));
      if (value) {
        EXPECT_FALSE(encoded(*value).empty());
      }
    }
  }
}

TEST(Codec, ErrorsNameTheByteAndTheFault) {
  const auto value = decode(pickle_of("\x80\x03(NX\xff"));
  ASSERT_FALSE(value.has_value());
  EXPECT_THAT(value.error().detail, HasSubstr("at byte 4"));
  EXPECT_THAT(value.error().detail, HasSubstr("ends within an instruction"));
}

TEST(Codec, ByteStringsShareTheBufferTheyCameIn) {
  const Bytes pickle = pickle_of(
      "\x80\x03"
      "C\x03"
      "abc.");
  const auto value = decode(pickle);
  ASSERT_TRUE(value.has_value());
  const Bytes* bytes = value->get<Bytes>();
  ASSERT_NE(bytes, nullptr);
  EXPECT_EQ(bytes->view().data(), pickle.view().data() + 4);
}

TEST(Codec, NothingAtAllIsNoPickle) { EXPECT_FALSE(decode(Bytes()).has_value()); }

}  // namespace
}  // namespace zeolite::pickle
