#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"
#include "storage/object_store.h"
#include "wire/messages.h"

// About how many bytes an answer that was read for a client takes, as far as it may be large.
namespace zeolite::daemon {

// What an item of an answer costs beside its data; generous.
inline constexpr std::size_t kItemOverhead = 96;

// One with data: a record, or a part of a blob.
template <typename Item>
[[nodiscard]] std::size_t data_item_bytes(const Item& item) {
  return kItemOverhead + item.data.size();
}
// One of the log: its metadata, and what it says of each object.
template <typename Transaction>
[[nodiscard]] std::size_t log_item_bytes(const Transaction& transaction) {
  return kItemOverhead * (1 + transaction.objects.size()) + transaction.metadata.user.size() +
         transaction.metadata.description.size() + transaction.metadata.extension.size();
}

// One that is encoded already.
struct EncodedAnswer {
  std::string message;
};
[[nodiscard]] inline std::size_t answer_bytes(const EncodedAnswer& answer) {
  return answer.message.size();
}

template <typename T>
[[nodiscard]] std::size_t answer_bytes(const Result<T>& /*answer*/) {
  return 0;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<storage::Loaded>& answer) {
  return answer ? data_item_bytes(*answer) : 0;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<wire::Loaded>& answer) {
  return answer ? data_item_bytes(*answer) : 0;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<wire::BlobPart>& answer) {
  return answer ? data_item_bytes(*answer) : 0;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<std::vector<storage::Loaded>>& answer) {
  std::size_t bytes = 0;
  if (!answer) return bytes;
  for (const storage::Loaded& loaded : *answer) bytes += data_item_bytes(loaded);
  return bytes;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<wire::LogReply>& answer) {
  std::size_t bytes = 0;
  if (!answer) return bytes;
  for (const wire::LogReply::Item& item : answer->items) bytes += log_item_bytes(item);
  return bytes;
}

}  // namespace zeolite::daemon
