// The calls that only read: their arguments become typed requests, which the connection answers.
#include "zeo/arguments.h"
#include "zeo/session.h"

namespace zeolite::zeo {

using pickle::None;

namespace {

// The value of a Result, or from the enclosing function a TypeError that says what was wrong.
#define TAKE(declaration, expr) \
  TAKE_INNER(ZEOLITE_CONCAT(zeolite_taken_, __LINE__), declaration, expr)
#define TAKE_INNER(name, declaration, expr)                                      \
  auto name = (expr);                                                            \
  if (!name) return std::unexpected(type_error(std::move(name).error().detail)); \
  declaration = *std::move(name)

// What a specification may be: each entry of the log is compared with it, and many may wait.
constexpr std::size_t kSpecificationKeysMax = 100;
constexpr std::size_t kSpecificationWeightMax = 4'096;
constexpr std::size_t kBytesOfOne = 16;  // of a string, that weigh as much as a value

std::size_t weight_of(const Value& value);
std::size_t weight_of(const std::vector<Value>& items) {
  std::size_t weight = 0;
  for (const Value& item : items) weight += weight_of(item);
  return weight;
}
std::size_t weight_of(const pickle::Dict& dict) {
  std::size_t weight = 0;
  for (const auto& [key, value] : dict.items) weight += weight_of(key) + weight_of(value);
  return weight;
}
// How many values it is, each string by its length. (The decoder bounds the depth.)
std::size_t weight_of(const Value& value) {
  if (const auto* text = value.get<pickle::Text>()) return 1 + text->utf8.size() / kBytesOfOne;
  if (const auto* bytes = value.get<Bytes>()) return 1 + bytes->size() / kBytesOfOne;
  if (const auto* tuple = value.get<pickle::Tuple>()) return 1 + weight_of(tuple->items);
  if (const auto* list = value.get<pickle::List>()) return 1 + weight_of(list->items);
  if (const auto* set = value.get<pickle::Set>()) return 1 + weight_of(set->items);
  if (const auto* dict = value.get<pickle::Dict>()) return 1 + weight_of(*dict);
  const auto* prefix = value.get<pickle::PathPrefix>();
  return 1 + (prefix == nullptr ? 0 : prefix->path.size());
}

// Ids of another length than 8 bytes name nothing.
std::expected<Oid, Exception> known_oid(const Call& call, std::size_t i) {
  const Arguments arguments(call);
  const Result<Oid> oid = arguments.oid(i);
  if (oid) return *oid;
  const Result<Bytes> given = arguments.bytes(i);
  return std::unexpected(pos_key_error(given ? given->view() : ByteView()));
}

}  // namespace

Session::Answer Session::get_info(const Call& call, SessionEffects& effects) {
  effects.reads.push_back({call.id, requests::GetInfo{}});
  return std::nullopt;
}

Session::Answer Session::last_transaction(const Call& call, SessionEffects& effects) {
  effects.reads.push_back({call.id, requests::LastTransaction{}});
  return std::nullopt;
}

Session::Answer Session::ping(const Call& call, SessionEffects& effects) {
  effects.reads.push_back({call.id, requests::Ping{}});
  return std::nullopt;
}

Session::Answer Session::server_status(const Call& call, SessionEffects& effects) {
  effects.reads.push_back({call.id, requests::ServerStatus{}});
  return std::nullopt;
}

Session::Answer Session::get_invalidations(const Call& call, SessionEffects& effects) {
  TAKE(const Tid tid, Arguments(call).tid(0));
  effects.reads.push_back({call.id, requests::GetInvalidations{tid}});
  return std::nullopt;
}

Session::Answer Session::load_before(const Call& call, SessionEffects& effects) {
  const auto oid = known_oid(call, 0);
  if (!oid) return std::unexpected(oid.error());
  TAKE(const Tid before, Arguments(call).tid(1));
  effects.reads.push_back({call.id, requests::LoadBefore{*oid, before}});
  return std::nullopt;
}

Session::Answer Session::load_serial(const Call& call, SessionEffects& effects) {
  const auto oid = known_oid(call, 0);
  if (!oid) return std::unexpected(oid.error());
  TAKE(const Tid tid, Arguments(call).tid(1));
  effects.reads.push_back({call.id, requests::LoadSerial{*oid, tid}});
  return std::nullopt;
}

Session::Answer Session::get_tid(const Call& call, SessionEffects& effects) {
  const auto oid = known_oid(call, 0);
  if (!oid) return std::unexpected(oid.error());
  effects.reads.push_back({call.id, requests::GetTid{*oid}});
  return std::nullopt;
}

Session::Answer Session::history(const Call& call, SessionEffects& effects) {
  const auto oid = known_oid(call, 0);
  if (!oid) return std::unexpected(oid.error());
  const Arguments arguments(call);
  requests::History request{*oid};
  if (arguments.size() > 1) {
    TAKE(request.size, arguments.integer(1));
  }
  effects.reads.push_back({call.id, request});
  return std::nullopt;
}

Session::Answer Session::record_iternext(const Call& call, SessionEffects& effects) {
  requests::RecordIterNext request;
  if (!Arguments(call).is_none(0)) {
    TAKE(request.next, Arguments(call).oid(0));
  }
  effects.reads.push_back({call.id, request});
  return std::nullopt;
}

Session::Answer Session::iterator_start(const Call& call, SessionEffects& effects) {
  requests::IteratorStart request;
  TAKE(request.start, Arguments(call).optional_tid(0));
  TAKE(request.stop, Arguments(call).optional_tid(1));
  effects.reads.push_back({call.id, request});
  return std::nullopt;
}

Session::Answer Session::iterator_next(const Call& call, SessionEffects& effects) {
  TAKE(const std::int64_t iterator, Arguments(call).integer(0));
  effects.reads.push_back({call.id, requests::IteratorNext{iterator}});
  return std::nullopt;
}

Session::Answer Session::iterator_record_start(const Call& call, SessionEffects& effects) {
  TAKE(const std::int64_t iterator, Arguments(call).integer(0));
  TAKE(const Tid tid, Arguments(call).tid(1));
  effects.reads.push_back({call.id, requests::IteratorRecordStart{iterator, tid}});
  return std::nullopt;
}

Session::Answer Session::iterator_record_next(const Call& call, SessionEffects& effects) {
  TAKE(const std::int64_t iterator, Arguments(call).integer(0));
  effects.reads.push_back({call.id, requests::IteratorRecordNext{iterator}});
  return std::nullopt;
}

Session::Answer Session::iterator_gc(const Call& call, SessionEffects& effects) {
  const Value* ids = Arguments(call).at(0);
  if (ids == nullptr) return std::unexpected(type_error("iterator_gc: argument 1 is missing"));
  const auto* list = ids->get<pickle::List>();
  const auto* tuple = ids->get<pickle::Tuple>();
  const auto* set = ids->get<pickle::Set>();
  const std::vector<Value>* items = list != nullptr    ? &list->items
                                    : tuple != nullptr ? &tuple->items
                                    : set != nullptr   ? &set->items
                                                       : nullptr;
  if (items == nullptr) return std::unexpected(type_error("iterator_gc: not a list"));
  for (const Value& item : *items) {
    if (const auto* id = item.get<std::int64_t>()) effects.forget.push_back(*id);
  }
  return Value(None{});
}

Session::Answer Session::undo_log(const Call& call, SessionEffects& effects) {
  requests::UndoLog request;
  TAKE(request.first, Arguments(call).integer(0));
  TAKE(request.last, Arguments(call).integer(1));
  effects.reads.push_back({call.id, std::move(request)});
  return std::nullopt;
}

Session::Answer Session::undo_info(const Call& call, SessionEffects& effects) {
  const Arguments arguments(call);
  requests::UndoLog request;
  if (arguments.size() > 0) {
    TAKE(request.first, arguments.integer(0));
  }
  if (arguments.size() > 1) {
    TAKE(request.last, arguments.integer(1));
  }
  if (!arguments.is_none(2)) {
    const auto* specification = arguments.at(2)->get<pickle::Dict>();
    if (specification == nullptr) {
      return std::unexpected(type_error("undoInfo: the specification must be a dict"));
    }
    if (specification->items.size() > kSpecificationKeysMax ||
        weight_of(*specification) > kSpecificationWeightMax) {
      return std::unexpected(value_error("undoInfo: the specification is too large"));
    }
    request.specification = *specification;
  }
  effects.reads.push_back({call.id, std::move(request)});
  return std::nullopt;
}

Session::Answer Session::send_blob(const Call& call, SessionEffects& effects) {
  const auto oid = known_oid(call, 0);
  if (!oid) return std::unexpected(oid.error());
  TAKE(const Tid tid, Arguments(call).tid(1));
  effects.reads.push_back({call.id, requests::SendBlob{*oid, tid}});
  return std::nullopt;
}

// Also on read-only connections: the zeopack script uses one.
Session::Answer Session::pack(const Call& call, SessionEffects& effects) {
  requests::Pack request;
  TAKE(request.time, Arguments(call).number(0));
  request.wait = Arguments(call).truth(1);
  effects.reads.push_back({call.id, request});
  return std::nullopt;
}

}  // namespace zeolite::zeo
