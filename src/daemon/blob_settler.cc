#include "daemon/blob_settler.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>

namespace zeolite::daemon {

namespace {

constexpr auto kInterval = std::chrono::seconds(10);

}  // namespace

void BlobSettler::look(Instant now) {
  if (now - looked_ < kInterval) return;
  looked_ = now;
  const bool needed =
      std::ranges::any_of(directories_, [](const auto* one) { return one->unsettled() > 0; });
  if (!needed || under_way_.exchange(true)) return;
  boost::asio::post(pool_, [this] {
    for (blobs::BlobDirectory* directory : directories_) {
      if (directory->unsettled() == 0) continue;
      if (Result<> settled = directory->settle(); !settled) {
        log_(LogLevel::warning, settled.error().detail);
      }
    }
    under_way_ = false;
  });
}

}  // namespace zeolite::daemon
