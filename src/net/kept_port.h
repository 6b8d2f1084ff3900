#pragma once

#include "base/file_descriptor.h"

namespace zeolite::net {

// A port that nobody accepts at for now, though it is open: whoever connects waits, and is accepted
// by the listener that is made of it (Listener::reopen). Otherwise the port is closed at the end.
// Thread: one at a time. Owner: whoever is to listen next.
class KeptPort {
 public:
  explicit KeptPort(int socket) : socket_(socket) {}

  // The listening socket, whose owner is the caller then; -1: it was taken before.
  [[nodiscard]] int take() { return socket_.release(); }

 private:
  FileDescriptor socket_;
};

}  // namespace zeolite::net
