// Any bytes as an object's record: its references or an error, each reference once.
#include <cstddef>
#include <cstdint>
#include <set>

#include "base/check.h"
#include "pickle/references.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zeolite;
  const ByteView record(reinterpret_cast<const char*>(data), size);
  pickle::References found;
  const auto result = pickle::find_references(record, found);
  CHECK(result || result.error().code == ErrorCode::corruption,
        "another error than the contract's");
  const std::set<Oid> once(found.strong.begin(), found.strong.end());
  CHECK(once.size() == found.strong.size(), "each reference once");
  return 0;
}
