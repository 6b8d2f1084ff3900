#include "client/commit_frames.h"

#include <algorithm>
#include <string>
#include <utility>

namespace zeolite::client_core {

namespace {

// What a message, a write and a read take in a body beside their bytes, rounded up.
constexpr std::size_t kMessageBytes = 512;
constexpr std::size_t kWriteBytes = 64;
constexpr std::size_t kReadBytes = 24;
// Stages are cut at this size, so that the server can begin with one while the next is on its way.
constexpr std::size_t kStageBytes = 4 << 20;

std::size_t encoded_size(const CommitRequest::Write& write) {
  return kWriteBytes + (write.data ? write.data->size() : 0);
}

// Fills one Stage after the other.
class Cutter {
 public:
  Cutter(std::uint64_t number, std::size_t body_bytes) : number_(number), body_bytes_(body_bytes) {
    part_.number = number;
  }

  void make_room(std::size_t bytes) {
    if (used_ == 0 || used_ + bytes <= body_bytes_) return;
    frames_.emplace_back(std::move(part_));
    part_ = wire::Stage{};
    part_.number = number_;
    used_ = 0;
  }
  void add(const CommitRequest::Write& write) {
    const std::size_t bytes = encoded_size(write);
    make_room(bytes);
    used_ += bytes;
    wire::WireWrite& out = part_.writes.emplace_back();
    out.oid = write.oid;
    out.base = write.base;
    out.kind = write.removal ? RevisionKind::deletion : RevisionKind::data;
    if (!write.removal) out.data = Bytes(write.data, *write.data);
  }
  void add(const wire::WireRead& read) {
    make_room(kReadBytes);
    used_ += kReadBytes;
    part_.reads.push_back(read);
  }
  // The stages, then `last` with what is left.
  template <typename Last>
  std::vector<wire::Message> finish(Last last) && {
    last.writes = std::move(part_.writes);
    last.reads = std::move(part_.reads);
    frames_.emplace_back(std::move(last));
    return std::move(frames_);
  }

 private:
  std::uint64_t number_;
  std::size_t body_bytes_;
  std::vector<wire::Message> frames_;
  wire::Stage part_;
  std::size_t used_ = 0;
};

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
std::vector<wire::Message> finish_with(Cutter&& cutter, const CommitRequest& request,
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
  Cutter cutter(number, std::min(body_bytes, kStageBytes));
  for (const CommitRequest::Write& write : request.writes) cutter.add(write);
  for (const wire::WireRead& read : request.reads) cutter.add(read);
  cutter.make_room(metadata_bytes);
  if (vote) return finish_with<wire::Vote>(std::move(cutter), request, number, begun);
  return finish_with<wire::Commit>(std::move(cutter), request, number, begun);
}

}  // namespace zeolite::client_core
