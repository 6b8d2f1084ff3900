#include "pickle/opcode_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace zeolite::pickle {
namespace {

struct Form {
  std::string_view bytes;
  std::int64_t number;
  std::string_view argument;
};

// With each form of what may follow an instruction: read whole, and refused when cut short.
TEST(OpcodeReader, CutsEveryForm) {
  const std::vector<Form> forms = {
      {"N", 0, ""},
      {"K\xff", 255, ""},
      {"M\x01\xff", 0xff01, ""},
      {std::string_view("J\x01\0\0\x80", 5), -0x7fffffff, ""},
      {std::string_view("j\x01\0\0\x80", 5), 0x80000001, ""},
      {std::string_view("\x95\0\0\0\0\0\0\0\0", 9), 0, ""},
      {"G12345678", 0, "12345678"},
      {"C\x02"
       "ab",
       0, "ab"},
      {std::string_view("X\x02\0\0\0ab", 7), 0, "ab"},
      {std::string_view("T\x02\0\0\0ab", 7), 0, "ab"},
      {std::string_view("\x8e\x02\0\0\0\0\0\0\0ab", 11), 0, "ab"},
      {"I12\n", 0, "12"},
      {"p12\n", 12, "12"},
      {"cab\ncd\n", 0, "ab\ncd"},
  };
  for (const Form& form : forms) {
    const std::string whole(form.bytes);
    OpcodeReader reader(whole);
    Instruction in;
    ASSERT_TRUE(reader.next(in)) << to_hex(whole) << reader.fault();
    EXPECT_EQ(in.op, static_cast<Op>(whole[0]));
    EXPECT_EQ(in.argument, form.argument);
    if (form.argument.empty()) {
      EXPECT_EQ(in.number, form.number);
    }
    EXPECT_EQ(reader.offset(), whole.size());
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::string part = whole.substr(0, size);
      OpcodeReader cut(part);
      EXPECT_FALSE(cut.next(in)) << to_hex(part);
      EXPECT_EQ(cut.offset(), 0U);
      EXPECT_NE(std::string_view(cut.fault()), "");
    }
  }
}

TEST(OpcodeReader, KnowsTheInstructionsOfPythonAndNoOthers) {
  int known = 0;
  for (int code = 0; code < 256; ++code) {
    std::string pickle(1, static_cast<char>(code));
    pickle += "0\n0\n";
    pickle.append(600, '\0');
    OpcodeReader reader(pickle);
    Instruction in;
    if (reader.next(in) || std::string_view(reader.fault()) != "there is no such instruction") {
      ++known;
    }
  }
  EXPECT_EQ(known, 68);
}

TEST(OpcodeReader, ReadsOnFromACopy) {
  OpcodeReader reader("NK\x05.");
  Instruction in;
  ASSERT_TRUE(reader.next(in));
  OpcodeReader copy = reader;
  ASSERT_TRUE(copy.next(in));
  EXPECT_EQ(in.number, 5);
  EXPECT_EQ(reader.offset(), 1U);
}

}  // namespace
}  // namespace zeolite::pickle
