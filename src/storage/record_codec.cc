#include "storage/record_codec.h"

#include <xxhash.h>

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "storage/removal_codec.h"

namespace zeolite::storage {

namespace {

constexpr std::uint8_t kLogVersion = 1;
constexpr std::uint8_t kFlagCommitId = 1;
// In an object's kind byte: its blob follows.
constexpr std::uint8_t kFlagBlob = 0x80;
// In an object's kind byte: the tid that an undo named follows.
constexpr std::uint8_t kFlagVia = 0x40;
// Upper half of a revision's first byte; the lower half is its kind.
constexpr std::uint8_t kRevisionVersion = 1;
constexpr std::uint8_t kOutcomeVersion = 1;
constexpr std::uint8_t kMarksVersion = 1;
// In the last byte of the marks.
constexpr std::uint8_t kMarkGarbage = 1;
constexpr std::uint8_t kMarkSwept = 2;

constexpr std::size_t kChainSize = sizeof(ChainHash);
// kind, oid, previous: what every object takes at least.
constexpr std::size_t kObjectSizeMin = 17;

void put_u8(std::string& out, std::uint8_t v) { out.push_back(static_cast<char>(v)); }

void put_text(std::string& out, const std::string& text) {
  CHECK(text.size() <= std::numeric_limits<std::uint16_t>::max(),
        "user, description and extension are at most 65,535 bytes");
  put_u16(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}

std::string take_text(ByteReader& reader) {
  const std::uint16_t size = reader.take_u16();
  return std::string(reader.take(size));
}

Id128 take_id128(ByteReader& reader) {
  const ByteView bytes = reader.take(sizeof(Id128));
  return reader.ok() ? id128_from(bytes) : Id128{};
}

std::uint32_t size_of(const ObjectSummary& object) { return object.size; }

std::uint32_t size_of(const ObjectWrite& write) {
  CHECK(write.data.size() <= std::numeric_limits<std::uint32_t>::max(),
        "a record is smaller than 4 GiB");
  return static_cast<std::uint32_t>(write.data.size());
}

// `Object` is ObjectWrite or ObjectSummary.
template <typename Object>
void put_object(std::string& out, const Object& object) {
  const bool has_via = !object.via.is_zero();
  CHECK(!has_via || object.kind != RevisionKind::data, "data comes from no other revision");
  put_u8(out, static_cast<std::uint8_t>(static_cast<std::uint8_t>(object.kind) |
                                        (object.blob ? kFlagBlob : 0) | (has_via ? kFlagVia : 0)));
  put_oid(out, object.oid);
  put_tid(out, object.previous);
  switch (object.kind) {
    case RevisionKind::data:
      put_u32(out, size_of(object));
      break;
    case RevisionKind::back_pointer:
      put_tid(out, object.back);
      break;
    case RevisionKind::deletion:
      CHECK(!object.blob, "a deletion has no blob");
      break;
  }
  if (object.blob) {
    put_u64(out, object.blob->size);
    put_id128(out, object.blob->hash);
  }
  if (has_via) put_tid(out, object.via);
}

// What depends on the kind; false when it is none that exists.
bool take_kind_field(ByteReader& reader, ObjectSummary& object) {
  switch (object.kind) {
    case RevisionKind::data:
      object.size = reader.take_u32();
      return true;
    case RevisionKind::back_pointer:
      object.back = Tid(reader.take_u64());
      return true;
    case RevisionKind::deletion:
      return true;
  }
  return false;
}

// False when the object is none that we write.
bool take_object(ByteReader& reader, ObjectSummary& object) {
  const std::uint8_t kind = reader.take_u8();
  object.kind = static_cast<RevisionKind>(kind & ~(kFlagBlob | kFlagVia));
  object.oid = Oid(reader.take_u64());
  object.previous = Tid(reader.take_u64());
  if (!take_kind_field(reader, object)) return false;
  if ((kind & kFlagBlob) != 0) {
    if (object.kind == RevisionKind::deletion) return false;
    object.blob.emplace();
    object.blob->size = reader.take_u64();
    object.blob->hash = take_id128(reader);
  }
  if ((kind & kFlagVia) == 0) return true;
  object.via = Tid(reader.take_u64());
  return object.kind != RevisionKind::data && !object.via.is_zero();
}

// What only some kinds of records have. `Header` is TransactionRecord or LogEntry.
template <typename Header>
void put_own_fields(std::string& out, const Header& header) {
  if (header.kind == RecordKind::oids) put_oid(out, header.oid_mark);
  if (header.kind == RecordKind::pack) {
    put_tid(out, header.pack_horizon);
    put_u8(out, header.collect_garbage ? 1 : 0);
  }
  if (header.kind == RecordKind::removal) {
    put_tid(out, header.pack_record);
    put_u8(out, header.pack_complete ? 1 : 0);
    put_removed(out, header.removed, header.pack_record);
  }
}

// False when it is nothing that put_own_fields writes.
bool take_own_fields(ByteReader& reader, LogEntry& entry) {
  if (entry.kind == RecordKind::oids) entry.oid_mark = Oid(reader.take_u64());
  if (entry.kind == RecordKind::pack) {
    entry.pack_horizon = Tid(reader.take_u64());
    const std::uint8_t collect = reader.take_u8();
    entry.collect_garbage = collect == 1;
    return collect <= 1;
  }
  if (entry.kind == RecordKind::removal) {
    entry.pack_record = Tid(reader.take_u64());
    const std::uint8_t complete = reader.take_u8();
    entry.pack_complete = complete == 1;
    return complete <= 1 && entry.pack_record < entry.position.tid &&
           take_removed(reader, entry.pack_record, entry.removed);
  }
  return true;
}

// `Header` is TransactionRecord or LogEntry; the other arguments are what they name differently.
template <typename Header, typename Object>
std::string encode_entry(const Header& header, Epoch epoch, Tid tid, Tid previous_tid,
                         const std::vector<Object>& objects, const ChainHash& body_hash) {
  const TransactionMetadata& metadata = header.metadata;
  std::string out;
  out.reserve(128 + metadata.user.size() + metadata.description.size() + metadata.extension.size() +
              objects.size() * (kObjectSizeMin + 8));
  const bool has_commit_id = !header.commit_id.empty();
  put_u8(out, kLogVersion);
  put_u8(out, static_cast<std::uint8_t>(header.kind));
  put_u8(out, static_cast<std::uint8_t>(header.status));
  put_u8(out, has_commit_id ? kFlagCommitId : 0);
  put_u64(out, epoch.value());
  put_tid(out, tid);
  put_tid(out, previous_tid);
  if (has_commit_id) {
    put_id128(out, header.commit_id.session);
    put_u64(out, header.commit_id.number);
  }
  put_own_fields(out, header);
  put_text(out, metadata.user);
  put_text(out, metadata.description);
  put_text(out, metadata.extension);
  CHECK(objects.size() <= std::numeric_limits<std::uint32_t>::max(),
        "a transaction writes fewer than 2^32 objects");
  put_u32(out, static_cast<std::uint32_t>(objects.size()));
  for (const Object& object : objects) put_object(out, object);
  put_id128(out, body_hash);
  return out;
}

std::unexpected<Error> damaged_entry(Tid tid, std::string_view why) {
  return make_error(ErrorCode::corruption,
                    "the log entry of transaction " + to_hex(tid) + " is damaged (" +
                        std::string(why) + "); restore this database from a backup or a standby");
}

std::unexpected<Error> damaged_revision(Oid oid, Tid tid, std::string_view why) {
  return make_error(ErrorCode::corruption,
                    "object " + to_hex(oid) + " as of transaction " + to_hex(tid) +
                        " is damaged on disk (" + std::string(why) +
                        "); restore this database from a backup or a standby");
}

// Ties the payload's hash to the place it belongs to.
std::uint64_t payload_hash(Oid oid, Tid tid, RevisionKind kind, ByteView payload) {
  const std::uint64_t seed = (oid.value() * 0x9E3779B97F4A7C15ULL) ^ tid.value() ^
                             (static_cast<std::uint64_t>(kind) << 56);
  return XXH3_64bits_withSeed(payload.data(), payload.size(), seed);
}

}  // namespace

std::string encode_log_entry(const TransactionRecord& record, Tid previous_tid,
                             const ChainHash& body_hash) {
  return encode_entry(record, record.epoch, record.tid, previous_tid, record.writes, body_hash);
}

std::string encode_log_entry(const LogEntry& entry) {
  return encode_entry(entry, entry.position.epoch, entry.position.tid, entry.previous_tid,
                      entry.objects, entry.body_hash);
}

Result<LogEntry> decode_log_entry(Tid tid, ByteView value) {
  ByteReader reader(value);
  LogEntry entry;
  const std::uint8_t version = reader.take_u8();
  if (version != kLogVersion) return damaged_entry(tid, "unknown version");
  const std::uint8_t kind = reader.take_u8();
  if (kind < static_cast<std::uint8_t>(RecordKind::transaction) ||
      kind > static_cast<std::uint8_t>(RecordKind::removal)) {
    return damaged_entry(tid, "unknown kind");
  }
  entry.kind = static_cast<RecordKind>(kind);
  entry.status = static_cast<char>(reader.take_u8());
  const std::uint8_t flags = reader.take_u8();
  if ((flags & ~kFlagCommitId) != 0) return damaged_entry(tid, "unknown flags");
  entry.position.epoch = Epoch(reader.take_u64());
  entry.position.tid = Tid(reader.take_u64());
  entry.previous_tid = Tid(reader.take_u64());
  if ((flags & kFlagCommitId) != 0) {
    entry.commit_id.session = take_id128(reader);
    entry.commit_id.number = reader.take_u64();
    if (entry.commit_id.empty()) return damaged_entry(tid, "a commit id that names nothing");
  }
  if (!take_own_fields(reader, entry)) return damaged_entry(tid, "unknown way to pack");
  entry.metadata.user = take_text(reader);
  entry.metadata.description = take_text(reader);
  entry.metadata.extension = take_text(reader);
  const std::uint32_t count = reader.take_u32();
  if (!reader.ok() || count > reader.remaining() / kObjectSizeMin) {
    return damaged_entry(tid, "too short");
  }
  if (entry.kind == RecordKind::removal && count > 0) {
    return damaged_entry(tid, "a removal that writes");
  }
  entry.objects.resize(count);
  for (ObjectSummary& object : entry.objects) {
    if (!take_object(reader, object)) return damaged_entry(tid, "unknown revision kind");
  }
  entry.body_hash = take_id128(reader);
  entry.position.chain = take_id128(reader);
  if (!reader.ok()) return damaged_entry(tid, "too short");
  if (reader.remaining() != 0) return damaged_entry(tid, "too long");
  if (entry.position.tid != tid) return damaged_entry(tid, "stored under another tid");
  return entry;
}

TransactionRecord record_without_data(const LogEntry& entry) {
  TransactionRecord record;
  record.kind = entry.kind;
  record.epoch = entry.position.epoch;
  record.tid = entry.position.tid;
  record.commit_id = entry.commit_id;
  record.status = entry.status;
  record.metadata = entry.metadata;
  record.oid_mark = entry.oid_mark;
  record.pack_horizon = entry.pack_horizon;
  record.collect_garbage = entry.collect_garbage;
  record.pack_record = entry.pack_record;
  record.pack_complete = entry.pack_complete;
  record.removed = entry.removed;
  record.writes.reserve(entry.objects.size());
  for (const ObjectSummary& object : entry.objects) {
    record.writes.push_back(
        {object.oid, object.previous, object.kind, {}, object.back, object.blob, {}, object.via});
  }
  return record;
}

bool split_chain(ByteView value, ByteView& covered, ChainHash& chain) {
  if (value.size() < kChainSize) return false;
  covered = value.substr(0, value.size() - kChainSize);
  chain = id128_from(value.substr(covered.size()));
  return true;
}

std::array<char, kRevisionHeadSize> encode_revision_head(Oid oid, Tid tid, RevisionKind kind,
                                                         ByteView payload) {
  std::array<char, kRevisionHeadSize> head{};
  head[0] = static_cast<char>((kRevisionVersion << 4) | static_cast<std::uint8_t>(kind));
  const std::uint64_t hash = __builtin_bswap64(payload_hash(oid, tid, kind, payload));
  std::memcpy(head.data() + 1, &hash, sizeof hash);
  return head;
}

Result<RevisionKind> decode_revision_kind(Oid oid, Tid tid, ByteView value) {
  if (value.size() < kRevisionHeadSize) return damaged_revision(oid, tid, "too short");
  const auto first = static_cast<std::uint8_t>(value[0]);
  if (first >> 4 != kRevisionVersion) return damaged_revision(oid, tid, "unknown version");
  const auto kind = static_cast<RevisionKind>(first & 15);
  if (kind < RevisionKind::data || kind > RevisionKind::deletion) {
    return damaged_revision(oid, tid, "unknown kind");
  }
  return kind;
}

Result<RevisionView> decode_revision(Oid oid, Tid tid, ByteView value) {
  RevisionView revision;
  ASSIGN_OR_RETURN(revision.kind, decode_revision_kind(oid, tid, value));
  const std::uint64_t hash = get_u64(value.data() + 1);
  const ByteView payload = value.substr(kRevisionHeadSize);
  if (hash != payload_hash(oid, tid, revision.kind, payload)) {
    return damaged_revision(oid, tid, "its checksum does not match");
  }
  switch (revision.kind) {
    case RevisionKind::data:
      revision.data = payload;
      return revision;
    case RevisionKind::back_pointer:
      if (payload.size() != 8) return damaged_revision(oid, tid, "wrong size");
      revision.back = Tid(get_u64(payload.data()));
      return revision;
    case RevisionKind::deletion:
      if (!payload.empty()) return damaged_revision(oid, tid, "wrong size");
      return revision;
  }
  return damaged_revision(oid, tid, "unknown kind");
}

std::string encode_outcome(const Outcome& outcome) {
  std::string out;
  put_u8(out, kOutcomeVersion);
  put_u8(out, static_cast<std::uint8_t>(outcome.kind));
  put_tid(out, outcome.tid);
  return out;
}

Result<Outcome> decode_outcome(ByteView value) {
  ByteReader reader(value);
  const std::uint8_t version = reader.take_u8();
  Outcome outcome;
  outcome.kind = static_cast<Outcome::Kind>(reader.take_u8());
  outcome.tid = Tid(reader.take_u64());
  const bool known =
      outcome.kind == Outcome::Kind::committed || outcome.kind == Outcome::Kind::aborted;
  if (!reader.ok() || reader.remaining() != 0 || version != kOutcomeVersion || !known) {
    return make_error(ErrorCode::corruption,
                      "the stored outcome of a commit is damaged; restore this database from a "
                      "backup or a standby");
  }
  return outcome;
}

std::string encode_marks(const Marks& marks) {
  std::string out;
  put_u8(out, kMarksVersion);
  put_tid(out, marks.last_transaction);
  put_oid(out, marks.oid_mark);
  put_tid(out, marks.outcome_horizon);
  put_tid(out, marks.next_horizon);
  put_tid(out, marks.pack_horizon);
  put_tid(out, marks.pack_record);
  put_u8(out, static_cast<std::uint8_t>((marks.collect_garbage ? kMarkGarbage : 0) |
                                        (marks.pack_swept ? kMarkSwept : 0)));
  return out;
}

Result<Marks> decode_marks(ByteView value) {
  ByteReader reader(value);
  const std::uint8_t version = reader.take_u8();
  bool known = true;
  Marks marks;
  marks.last_transaction = Tid(reader.take_u64());
  marks.oid_mark = Oid(reader.take_u64());
  marks.outcome_horizon = Tid(reader.take_u64());
  // Shorter marks are those of a log without a pack.
  if (reader.remaining() != 0) {
    marks.next_horizon = Tid(reader.take_u64());
    marks.pack_horizon = Tid(reader.take_u64());
    marks.pack_record = Tid(reader.take_u64());
    const std::uint8_t flags = reader.take_u8();
    marks.collect_garbage = (flags & kMarkGarbage) != 0;
    marks.pack_swept = (flags & kMarkSwept) != 0;
    known = (flags & ~(kMarkGarbage | kMarkSwept)) == 0;
  }
  if (!known || !reader.ok() || reader.remaining() != 0 || version != kMarksVersion) {
    return make_error(ErrorCode::corruption,
                      "the stored marks are damaged; restore this database from a backup or a "
                      "standby");
  }
  return marks;
}

}  // namespace zeolite::storage
