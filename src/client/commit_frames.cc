#include "client/commit_frames.h"

#include <algorithm>
#include <string>
#include <utility>

#include "client/stage_cutter.h"

namespace zeolite::client_core {

namespace {

std::size_t encoded_size(const CommitRequest::Write& write) {
  return kWriteBytes + (write.data ? write.data->size() : 0);
}

wire::WireWrite to_wire(const CommitRequest::Write& write) {
  wire::WireWrite out;
  out.oid = write.oid;
  out.base = write.base;
  out.kind = write.removal ? RevisionKind::deletion : RevisionKind::data;
  if (!write.removal) out.data = Bytes(write.data, *write.data);
  return out;
}

Result<> check_size(const CommitRequest& request, std::size_t body_bytes,
                    const ServerLimits& limits) {
  // As the server counts.
  std::uint64_t total = request.reads.size() * kWriteBytes;
  for (const CommitRequest::Write& write : request.writes) {
    const std::size_t bytes = encoded_size(write);
    total += bytes;
    if (bytes <= body_bytes) continue;
    return make_error(ErrorCode::invalid_argument,
                      "the record of object " + to_hex(write.oid) + " has " +
                          std::to_string(write.data->size()) + " bytes; the server accepts " +
                          std::to_string(body_bytes - kWriteBytes));
  }
  if (total <= limits.transaction_bytes_max) return {};
  return make_error(ErrorCode::invalid_argument,
                    "the transaction has " + std::to_string(total) + " bytes; the server accepts " +
                        std::to_string(limits.transaction_bytes_max) + ": commit in smaller parts");
}

template <typename Last>
std::vector<wire::Message> finish_with(StageCutter&& cutter, const CommitRequest& request,
                                       std::uint64_t number, Tid begun) {
  Last last;
  last.number = number;
  last.begun = begun;
  last.metadata = request.metadata;
  return std::move(cutter).finish(std::move(last));
}

}  // namespace

Result<std::vector<wire::Message>> commit_frames(const CommitRequest& request, bool vote,
                                                 std::uint64_t number, Tid begun,
                                                 const ServerLimits& limits) {
  const std::size_t metadata_bytes = request.metadata.user.size() +
                                     request.metadata.description.size() +
                                     request.metadata.extension.size();
  const std::size_t body_bytes =
      limits.body_max > kMessageBytes ? limits.body_max - kMessageBytes : 0;
  RETURN_IF_ERROR(check_size(request, body_bytes, limits));
  StageCutter cutter(number, std::min(body_bytes, kStageBytes));
  for (const CommitRequest::Write& write : request.writes) cutter.add(to_wire(write));
  for (const wire::WireRead& read : request.reads) cutter.add(read);
  cutter.make_room(metadata_bytes);
  if (vote) return finish_with<wire::Vote>(std::move(cutter), request, number, begun);
  return finish_with<wire::Commit>(std::move(cutter), request, number, begun);
}

}  // namespace zeolite::client_core
