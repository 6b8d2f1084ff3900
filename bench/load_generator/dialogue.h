#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace zeolite::bench {

// One client's side of a request-and-reply protocol, as bytes. Decides what to send and when a
// reply is complete; knows no socket and no clock.
// Thread: the one of the ClosedLoop that owns it.
class Dialogue {
 public:
  // What advance() found at the front of the received bytes.
  struct Step {
    enum class Kind {
      need_more,  // nothing complete; `consumed` is 0
      skipped,    // a part that ends nothing; call again
      ready,      // the set-up is over; requests may be sent
      reply,      // the answer to the last request is complete
      failed,     // `reason` says what the server answered
    } kind = Kind::need_more;
    std::size_t consumed = 0;
    std::string reason;
  };

  virtual ~Dialogue() = default;

  // Appends what is sent first on a new connection. Nothing appended: ready at once.
  virtual void begin(std::string& out) = 0;
  // Appends the next request. Called once after ready and once after each reply.
  virtual void request(std::string& out) = 0;
  // Looks at the received bytes that were not consumed yet.
  [[nodiscard]] virtual Step advance(std::string_view received) = 0;
};

}  // namespace zeolite::bench
