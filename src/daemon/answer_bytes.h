#pragma once

#include <cstddef>
#include <vector>

#include "base/error.h"
#include "storage/object_store.h"
#include "wire/messages.h"

// About how many bytes an answer that was read for a client takes, as far as it may be large.
namespace zeolite::daemon {

// What an item of an answer costs beside its data; generous.
inline constexpr std::size_t kItemOverhead = 96;

template <typename T>
[[nodiscard]] std::size_t answer_bytes(const Result<T>& /*answer*/) {
  return 0;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<storage::Loaded>& answer) {
  return answer ? kItemOverhead + answer->data.size() : 0;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<wire::Loaded>& answer) {
  return answer ? kItemOverhead + answer->data.size() : 0;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<wire::BlobPart>& answer) {
  return answer ? kItemOverhead + answer->data.size() : 0;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<std::vector<storage::Loaded>>& answer) {
  std::size_t bytes = 0;
  if (!answer) return bytes;
  for (const storage::Loaded& loaded : *answer) bytes += kItemOverhead + loaded.data.size();
  return bytes;
}
[[nodiscard]] inline std::size_t answer_bytes(const Result<wire::LogReply>& answer) {
  std::size_t bytes = 0;
  if (!answer) return bytes;
  for (const wire::LogReply::Item& item : answer->items) {
    bytes += kItemOverhead * (1 + item.objects.size()) + item.metadata.user.size() +
             item.metadata.description.size() + item.metadata.extension.size();
  }
  return bytes;
}

}  // namespace zeolite::daemon
