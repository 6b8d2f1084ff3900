#include "zeo/sized_message_decoder.h"

#include <algorithm>
#include <utility>

namespace zeolite::zeo {

namespace {

constexpr std::size_t kLengthBytes = 4;

}  // namespace

void SizedMessageDecoder::feed(Bytes input) { input_ = std::move(input); }

Result<std::size_t> SizedMessageDecoder::length_at(ByteView bytes) const {
  const std::size_t length = get_u32(bytes.data());
  if (length > message_max_) {
    return make_error(ErrorCode::protocol_error, "a message of " + std::to_string(length) +
                                                     " bytes; at most " +
                                                     std::to_string(message_max_) + " are taken");
  }
  return length;
}

bool SizedMessageDecoder::complete_to(std::size_t size) {
  const std::size_t taken = std::min(size - partial_.size(), input_.size());
  partial_.append(input_.view().substr(0, taken));
  input_ = input_.slice(taken, input_.size() - taken);
  return partial_.size() == size;
}

Result<std::optional<Bytes>> SizedMessageDecoder::next() {
  if (!partial_.empty()) {
    if (partial_.size() < kLengthBytes && !complete_to(kLengthBytes)) return std::nullopt;
    ASSIGN_OR_RETURN(const std::size_t length, length_at(partial_));
    if (!complete_to(kLengthBytes + length)) return std::nullopt;
    const Bytes whole(std::exchange(partial_, {}));
    return whole.slice(kLengthBytes, length);
  }
  if (input_.size() >= kLengthBytes) {
    ASSIGN_OR_RETURN(const std::size_t length, length_at(input_.view()));
    if (input_.size() - kLengthBytes >= length) {
      Bytes message = input_.slice(kLengthBytes, length);
      const std::size_t taken = kLengthBytes + length;
      input_ = input_.slice(taken, input_.size() - taken);
      return message;
    }
  }
  partial_.assign(input_.view());
  input_ = {};
  return std::nullopt;
}

}  // namespace zeolite::zeo
