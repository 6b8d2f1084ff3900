#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "client/client_request.h"
#include "wire/messages.h"

namespace zeolite::client_core {

// What the server told of its limits in its Welcome.
struct ServerLimits {
  std::uint32_t body_max = 0;
  std::uint64_t transaction_bytes_max = 0;
};

// The messages that carry a transaction: none or more Stage, then one Commit (or Vote), each within
// body_max. Errors: invalid_argument when a record or the whole is larger than the server accepts.
[[nodiscard]] Result<std::vector<wire::Message>> commit_frames(const CommitRequest& request,
                                                               bool vote, std::uint64_t number,
                                                               Tid begun,
                                                               const ServerLimits& limits);

}  // namespace zeolite::client_core
