#include "commit/commit_effects.h"

#include <utility>

namespace zeolite::commit {

CommitEffects::Reply CommitEffects::Reply::failure(Ticket ticket, ErrorCode code,
                                                   std::string detail) {
  Reply reply;
  reply.ticket = ticket;
  reply.kind = Kind::failed;
  reply.error = Error{code, std::move(detail)};
  return reply;
}

void CommitEffects::clear() {
  append.clear();
  refetch.clear();
  publish.clear();
  reply.clear();
  close.clear();
}

bool CommitEffects::empty() const {
  return append.empty() && refetch.empty() && publish.empty() && reply.empty() && close.empty();
}

}  // namespace zeolite::commit
