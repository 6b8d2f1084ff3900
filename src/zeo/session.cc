#include "zeo/session.h"

#include <array>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "zeo/arguments.h"

namespace zeolite::zeo {

using pickle::None;

namespace {

constexpr std::string_view kVersion = "5";
constexpr std::string_view kAreYouOk = "ruok";
// What does not belong to a transaction is small. As many calls may wait, little is kept of each.
constexpr std::size_t kPlainCallMax = std::size_t{64} << 10;

}  // namespace

Session::Session(commit::OwnerId owner, const Options& options)
    : owner_(owner), options_(options) {}

void Session::start(SessionEffects& effects) {
  if (state_ == State::closed) return;
  state_ = State::expecting_greeting;
  put_u32(effects.output, static_cast<std::uint32_t>(1 + kVersion.size()));
  effects.output.push_back(static_cast<char>(options_.announce));
  effects.output.append(kVersion);
}

void Session::on_message(const Bytes& message, SessionEffects& effects) {
  if (state_ == State::closed) return;
  if (state_ == State::parked || state_ == State::expecting_greeting) {
    on_greeting(message, effects);
    return;
  }
  Result<Call> call = decode_call(encoding_, message);
  if (!call) {
    protocol_error(std::move(call).error().detail, effects);
    return;
  }
  if (!call->heartbeat) on_call(*call, message.size(), effects);
}

void Session::on_greeting(const Bytes& message, SessionEffects& effects) {
  const ByteView text = message.view();
  if (text == kAreYouOk) {
    state_ = State::closed;
    effects.answer_ruok = true;
    return;
  }
  if (state_ == State::parked) {
    protocol_error("the client did not wait to be greeted", effects);
    return;
  }
  const bool known = text.size() == 1 + kVersion.size() && text.substr(1) == kVersion &&
                     (text[0] == static_cast<char>(Encoding::pickle) ||
                      text[0] == static_cast<char>(Encoding::msgpack));
  if (!known) {
    protocol_error("bad handshake: the client wants protocol '" + std::string(text.substr(0, 16)) +
                       "', this server speaks Z5 and M5",
                   effects);
    return;
  }
  encoding_ = static_cast<Encoding>(text[0]);
  state_ = State::expecting_register;
}

const Session::Method* Session::find_method(std::string_view name) {
  constexpr Method::Part kKept = Method::Part::kept;
  static const std::unordered_map<std::string_view, Method> kMethods = {
      {"register", {&Session::on_register, true}},
      {"set_client_label", {&Session::set_client_label}},
      {"get_info", {&Session::get_info, true}},
      {"lastTransaction", {&Session::last_transaction, true}},
      {"ping", {&Session::ping, true}},
      {"server_status", {&Session::server_status, true}},
      {"getInvalidations", {&Session::get_invalidations, true}},
      {"loadBefore", {&Session::load_before, true}},
      {"loadSerial", {&Session::load_serial, true}},
      {"getTid", {&Session::get_tid, true}},
      {"history", {&Session::history, true}},
      {"record_iternext", {&Session::record_iternext, true}},
      {"iterator_start", {&Session::iterator_start, true}},
      {"iterator_next", {&Session::iterator_next, true}},
      {"iterator_record_start", {&Session::iterator_record_start, true}},
      {"iterator_record_next", {&Session::iterator_record_next, true}},
      {"iterator_gc", {&Session::iterator_gc}},
      {"undoLog", {&Session::undo_log, true}},
      {"undoInfo", {&Session::undo_info, true}},
      {"sendBlob", {&Session::send_blob, true}},
      {"pack", {&Session::pack, true}},
      {"new_oids", {&Session::new_oids, true}},
      {"tpc_begin", {&Session::tpc_begin, false, kKept}},
      {"storea", {&Session::storea, false, kKept}},
      {"restorea", {&Session::restorea, false, kKept}},
      {"deleteObject", {&Session::delete_object, false, kKept}},
      {"checkCurrentSerialInTransaction", {&Session::check_current, false, kKept}},
      {"undoa", {&Session::undoa, false, kKept}},
      {"storeBlobStart", {&Session::store_blob_start, false, kKept}},
      {"storeBlobChunk", {&Session::store_blob_chunk, false, Method::Part::passed_on}},
      {"storeBlobEnd", {&Session::store_blob_end, false, kKept}},
      {"storeBlobShared", {&Session::store_blob_shared, false, kKept}},
      {"vote", {&Session::vote, true}},
      {"tpc_finish", {&Session::tpc_finish, true}},
      {"tpc_abort", {&Session::tpc_abort}},
  };
  const auto found = kMethods.find(name);
  return found == kMethods.end() ? nullptr : &found->second;
}

void Session::on_call(const Call& call, std::size_t message_bytes, SessionEffects& effects) {
  const Method* method = find_method(call.method);
  if (method == nullptr) {
    protocol_error("unknown method '" + call.method.substr(0, 64) + "'", effects);
    return;
  }
  if (call.one_way && method->answers_later) {
    protocol_error(call.method + " was called without wanting its answer", effects);
    return;
  }
  if (state_ != State::live && call.method != "register") {
    protocol_error(call.method + " was called before register", effects);
    return;
  }
  if (method->part == Method::Part::no && message_bytes > kPlainCallMax) {
    protocol_error(call.method + " came in a message of " + std::to_string(message_bytes) +
                       " bytes; it may have " + std::to_string(kPlainCallMax),
                   effects);
    return;
  }
  Answer answer = (this->*method->run)(call, effects);
  if (answer && transaction_ && method->part != Method::Part::no) {
    if (auto why = add_part(*method, message_bytes, effects))
      answer = std::unexpected(*std::move(why));
  }
  if (!answer) {
    if (call.one_way) {
      // There is no other way to tell the client.
      protocol_error(call.method + " failed: " + describe(answer.error()), effects);
    } else {
      send_exception(call.id, answer.error(), effects);
    }
  } else if (*answer && !call.one_way) {
    send_result(call.id, **answer, effects);
  }
}

std::optional<Exception> Session::add_part(const Method& method, std::size_t bytes,
                                           SessionEffects& effects) {
  ++parts_;
  // Later nothing is kept: it may be begun once more, which is without effect.
  if (stage_ != Stage::open) return std::nullopt;
  const bool begun = transaction_->held() == 0;
  if (method.part == Method::Part::kept) transaction_->add_message(bytes);
  if (!transaction_->dropped() && transaction_->bytes() <= options_.transaction_bytes_max) {
    return std::nullopt;
  }
  Exception why =
      storage_error("the messages of a transaction may have " +
                    std::to_string(options_.transaction_bytes_max) + " bytes together, no more");
  if (begun) {
    end_transaction(effects);
    return why;
  }
  // The client goes on to its vote, which tells it for good: to end the connection would be a
  // passing trouble to it, and the same would be sent once more.
  transaction_->drop();
  // A file in the shared directory is named all the same: it is the daemon's to remove.
  std::erase_if(effects.blobs, [](const SessionEffects::BlobStep& step) {
    return !std::holds_alternative<SessionEffects::BlobShared>(step);
  });
  effects.drop_blobs = true;
  doomed_ = std::move(why);
  return std::nullopt;
}

void Session::protocol_error(std::string what, SessionEffects& effects) {
  state_ = State::closed;
  effects.close = Error{ErrorCode::protocol_error, std::move(what)};
}

void Session::send_result(const Value& id, const Value& result, SessionEffects& effects) const {
  encode_result(encoding_, id, result, effects.output);
}

void Session::send_exception(const Value& id, const Exception& why, SessionEffects& effects) const {
  encode_exception(encoding_, id, why, effects.output);
}

// register(storage name, read only). Clients up to 5.4 may add credentials, which mean nothing.
Session::Answer Session::on_register(const Call& call, SessionEffects& effects) {
  if (state_ != State::expecting_register) {
    return std::unexpected(value_error("already registered"));
  }
  const Arguments arguments(call);
  Result<std::string> storage = arguments.text(0);
  if (!storage) return std::unexpected(type_error(storage.error().detail));
  registering_read_only_ = arguments.truth(1);
  if (options_.read_only && !registering_read_only_) return std::unexpected(read_only_error());
  state_ = State::registering;
  register_id_ = call.id;
  effects.attach = {*std::move(storage), registering_read_only_};
  return std::nullopt;
}

void Session::registered(Tid last, SessionEffects& effects) {
  state_ = State::live;
  read_only_ = registering_read_only_;
  send_result(register_id_, value_of(last), effects);
}

void Session::refused(const Exception& why, SessionEffects& effects) {
  state_ = State::expecting_register;
  send_exception(register_id_, why, effects);
}

Session::Answer Session::set_client_label(const Call& call, SessionEffects& effects) {
  Result<std::string> label = Arguments(call).text(0);
  if (!label) return std::unexpected(type_error(label.error().detail));
  effects.label = *std::move(label);
  return Value(None{});
}

}  // namespace zeolite::zeo
