#include "pickle/inflate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace zeolite::pickle {
namespace {

using testing::HasSubstr;

std::string compressed(const std::string& content) {
  std::string out(compressBound(content.size()), '\0');
  uLongf size = out.size();
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(out.data()), &size,
                     reinterpret_cast<const Bytef*>(content.data()), content.size()),
            Z_OK);
  out.resize(size);
  return out;
}

TEST(Inflate, GivesBackWhatWasCompressed) {
  for (const std::size_t size : {0U, 1U, 511U, 512U, 513U, 100'000U, 10'000'000U}) {
    const std::string content(size, 'x');
    const auto result = inflate(compressed(content), size);
    ASSERT_TRUE(result.has_value()) << size << result.error().detail;
    EXPECT_EQ(*result, content);
  }
}

TEST(Inflate, MoreThanAllowedIsRefused) {
  const auto result = inflate(compressed(std::string(10'000'000, 'x')), 9'999'999);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::corruption);
  EXPECT_THAT(result.error().detail, HasSubstr("too much"));
}

TEST(Inflate, DamageIsAnError) {
  const std::string whole = compressed("some content that is not very long");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(inflate(whole.substr(0, size), 1000).has_value()) << size;
  }
  std::string damaged = whole;
  damaged[damaged.size() - 1] = static_cast<char>(damaged.back() ^ 1);
  EXPECT_FALSE(inflate(damaged, 1000).has_value());
  EXPECT_TRUE(inflate(whole + "more", 1000).has_value());
}

}  // namespace
}  // namespace zeolite::pickle
