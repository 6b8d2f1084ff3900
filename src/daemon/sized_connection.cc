#include "daemon/sized_connection.h"

namespace zeolite::daemon {

Result<bool> SizedConnection::deliver_one() {
  ASSIGN_OR_RETURN(std::optional<Bytes> message, decoder_.next());
  if (!message) return false;
  messages_.on_message(*std::move(message));
  return true;
}

}  // namespace zeolite::daemon
