// Any bytes as a pickle of a plain value: a value or an error. A value comes back the same after
// being encoded, and its pickle is encoded the same again.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "pickle/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zeolite;
  const pickle::DecodeLimits limits{.values = 100'000};
  const Bytes bytes = Bytes::copy_of({reinterpret_cast<const char*>(data), size});
  const Result<pickle::Value> value = pickle::decode(bytes, limits);
  if (!value) {
    CHECK(value.error().code == ErrorCode::invalid_argument, "another error than the contract's");
    return 0;
  }
  std::string encoded;
  pickle::encode(*value, encoded);
  const Result<pickle::Value> again = pickle::decode(Bytes::copy_of(encoded));
  CHECK(again, "our own pickle does not decode");
  std::string encoded_again;
  pickle::encode(*again, encoded_again);
  // Not the values: a NaN is not equal to itself.
  CHECK(encoded == encoded_again, "a value changed on its way");
  return 0;
}
