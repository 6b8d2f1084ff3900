#include <gtest/gtest.h>

#include <string>

#include "wire/codec_fixture.h"

namespace zeolite::wire {
namespace {

bool accepts(std::string name) {
  CheckpointBegin message;
  message.files.push_back({"CURRENT", 1});
  message.files.push_back({std::move(name), 1});
  return decode(frame_of(message)).has_value();
}

TEST(CodecCheckpoint, FilesLieInTheDirectory) {
  for (const char* name : {"a", "a/b", "a/b/c.d", "..a", "a..", "a/...", ".hidden"}) {
    EXPECT_TRUE(accepts(name)) << name;
  }
}

TEST(CodecCheckpoint, NamesThatLeadElsewhereAreRefused) {
  for (const char* name :
       {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "./a"}) {
    EXPECT_FALSE(accepts(name)) << name;
  }
  EXPECT_FALSE(accepts(std::string("a\0b", 3)));
}

TEST(CodecCheckpoint, ManyFilesAreTaken) {
  CheckpointBegin message;
  message.files.assign(100'000, {"blobs/0x00/0x01.blob", 5});
  EXPECT_TRUE(decode(frame_of(message)).value() == Message(message));
}

}  // namespace
}  // namespace zeolite::wire
