#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "model/ids.h"
#include "zeo/message.h"

// What clients ask for that only reads, in typed form. The method names are those of
// ZEO.StorageServer.ZEOStorage; what each answers is said there and in docs/zeo-protocol.md.
namespace zeolite::zeo::requests {

struct GetInfo {};
struct LastTransaction {};
struct Ping {};
struct ServerStatus {};
struct GetInvalidations {
  Tid tid;  // the client's cache is true up to here
};
struct LoadBefore {
  Oid oid;
  Tid before;
};
struct LoadSerial {
  Oid oid;
  Tid tid;
};
struct GetTid {
  Oid oid;
};
struct History {
  Oid oid;
  std::int64_t size = 1;  // at most so many, newest first
};
struct RecordIterNext {
  Oid next;  // the first object at or above
};
struct IteratorStart {
  std::optional<Tid> start;  // both inclusive
  std::optional<Tid> stop;
};
struct IteratorNext {
  std::int64_t iterator = 0;
};
struct IteratorRecordStart {
  std::int64_t iterator = 0;  // of transactions
  Tid tid;                    // the one it gave last
};
struct IteratorRecordNext {
  std::int64_t iterator = 0;
};
struct UndoLog {
  std::int64_t first = 0;
  std::int64_t last = -20;  // negative: at most so many
  // Keys whose values an entry must have to be listed; empty: all are.
  pickle::Dict specification;
};
struct SendBlob {
  Oid oid;
  Tid tid;
};
struct Pack {
  double time = 0;  // seconds since 1970
  bool wait = false;
};

}  // namespace zeolite::zeo::requests

namespace zeolite::zeo {

// A request that only reads: the caller answers it itself, at the connection's line.
struct Read {
  Value id;
  std::variant<requests::GetInfo, requests::LastTransaction, requests::Ping, requests::ServerStatus,
               requests::GetInvalidations, requests::LoadBefore, requests::LoadSerial,
               requests::GetTid, requests::History, requests::RecordIterNext,
               requests::IteratorStart, requests::IteratorNext, requests::IteratorRecordStart,
               requests::IteratorRecordNext, requests::UndoLog, requests::SendBlob, requests::Pack>
      what;
};

}  // namespace zeolite::zeo
