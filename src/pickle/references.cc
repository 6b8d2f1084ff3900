#include "pickle/references.h"

#include <string>

#include "pickle/inflate.h"
#include "pickle/opcode_reader.h"
#include "pickle/reference_scanner.h"

namespace zeolite::pickle {
namespace {

// zc.zlibstorage puts this before a zlib stream. No pickle begins so.
constexpr std::string_view kZlibPrefix = ".z";
constexpr std::size_t kInflatedBytesMax = std::size_t{256} << 20;
constexpr int kPickles = 2;  // class and state

Result<> scan(ByteView record, References& out) {
  OpcodeReader reader(record);
  ReferenceScanner scanner(out);
  for (int pickle = 0; pickle < kPickles; ++pickle) {
    if (!scanner.scan(reader)) {
      return make_error(ErrorCode::corruption,
                        "a record's pickles cannot be read to the end, at byte " +
                            std::to_string(reader.offset()) + ": " + scanner.fault());
    }
  }
  return {};
}

}  // namespace

Result<> find_references(ByteView record, References& out) {
  out.strong.clear();
  out.skipped = 0;
  if (record.empty()) return {};
  Result<> result;
  if (record.starts_with(kZlibPrefix)) {
    ASSIGN_OR_RETURN(const std::string pickles,
                     inflate(record.substr(kZlibPrefix.size()), kInflatedBytesMax));
    result = scan(pickles, out);
  } else {
    result = scan(record, out);
  }
  remove_repeated(out.strong);
  return result;
}

}  // namespace zeolite::pickle
