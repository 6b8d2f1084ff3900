#include "net/framed_connection.h"

namespace zeolite::net {

Result<bool> FramedConnection::deliver_one() {
  ASSIGN_OR_RETURN(std::optional<wire::Frame> frame, decoder_.next());
  if (!frame) return false;
  frames_.on_frame(*std::move(frame));
  return true;
}

}  // namespace zeolite::net
