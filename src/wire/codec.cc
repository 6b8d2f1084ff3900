#include "wire/codec.h"

#include <string>
#include <variant>

namespace zeolite::wire {

void encode(const Message& message, std::uint32_t request_id, std::string& out,
            std::size_t compress_from) {
  std::visit([&](const auto& m) { encode(m, request_id, out, compress_from); }, message);
}

Result<Message> decode(const Frame& frame) {
  switch (static_cast<MessageType>(frame.type)) {
    case MessageType::hello:
      return decode_as<Hello>(frame);
    case MessageType::welcome:
      return decode_as<Welcome>(frame);
    case MessageType::error:
      return decode_as<ErrorReply>(frame);
    case MessageType::ping:
      return decode_as<Ping>(frame);
    case MessageType::pong:
      return decode_as<Pong>(frame);
    case MessageType::load:
      return decode_as<Load>(frame);
    case MessageType::loaded:
      return decode_as<Loaded>(frame);
    case MessageType::load_many:
      return decode_as<LoadMany>(frame);
    case MessageType::loaded_many:
      return decode_as<LoadedMany>(frame);
    case MessageType::load_serial:
      return decode_as<LoadSerial>(frame);
    case MessageType::stage:
      return decode_as<Stage>(frame);
    case MessageType::vote:
      return decode_as<Vote>(frame);
    case MessageType::voted:
      return decode_as<Voted>(frame);
    case MessageType::finish:
      return decode_as<Finish>(frame);
    case MessageType::abort:
      return decode_as<Abort>(frame);
    case MessageType::commit:
      return decode_as<Commit>(frame);
    case MessageType::committed:
      return decode_as<Committed>(frame);
    case MessageType::conflicted:
      return decode_as<Conflicted>(frame);
    case MessageType::done:
      return decode_as<Done>(frame);
    case MessageType::outcome:
      return decode_as<OutcomeQuery>(frame);
    case MessageType::outcome_known:
      return decode_as<OutcomeKnown>(frame);
    case MessageType::new_oids:
      return decode_as<NewOids>(frame);
    case MessageType::oids:
      return decode_as<Oids>(frame);
    case MessageType::read_log:
      return decode_as<ReadLog>(frame);
    case MessageType::log:
      return decode_as<LogReply>(frame);
    case MessageType::status:
      return decode_as<StatusQuery>(frame);
    case MessageType::status_report:
      return decode_as<StatusReport>(frame);
    case MessageType::verify:
      return decode_as<Verify>(frame);
    case MessageType::verify_report:
      return decode_as<VerifyReport>(frame);
    case MessageType::pack:
      return decode_as<Pack>(frame);
    case MessageType::pack_report:
      return decode_as<PackReport>(frame);
    case MessageType::walk:
      return decode_as<Walk>(frame);
    case MessageType::walked:
      return decode_as<Walked>(frame);
    case MessageType::invalidate:
      return decode_as<Invalidate>(frame);
  }
  return make_error(ErrorCode::protocol_error,
                    "a frame of unknown type " + std::to_string(frame.type));
}

}  // namespace zeolite::wire
