// Log records between servers. On the way of every commit: one copy of the data into the frame,
// none out of it.
#include <algorithm>
#include <span>

#include "wire/codec_body.h"

namespace zeolite::wire {

namespace {

constexpr auto kRecordKindLast = RecordKind::removal;

std::size_t words_of_append(std::span<const TransactionRecord> records) {
  std::size_t words = words_of(Position{}) + words_of_list<schema::ReplicaRecord>(records.size());
  for (const TransactionRecord& record : records) {
    words += words_of_data(view_of(record.commit_id.session)) + words_of(record.metadata) +
             words_of_list<schema::ReplicaWrite>(record.writes.size()) + 2 * record.removed.size();
    for (const ObjectWrite& write : record.writes) {
      words += words_of_data(write.data.view());
      if (write.blob) {
        words += capnp::sizeInWords<schema::Blob>() + words_of_data(view_of(write.blob->hash));
      }
    }
  }
  return words;
}

void build_write(const ObjectWrite& write, schema::ReplicaWrite::Builder to) {
  to.setOid(write.oid.value());
  to.setPrevious(write.previous.value());
  to.setKind(static_cast<std::uint8_t>(write.kind));
  to.setData(as_data(write.data.view()));
  to.setBack(write.back.value());
  to.setVia(write.via.value());
  if (write.blob) {
    auto blob = to.initBlob();
    blob.setSize(write.blob->size);
    blob.setHash(as_data(write.blob->hash));
  }
}

void build_removal(const TransactionRecord& record, schema::ReplicaRecord::Builder to) {
  to.setPackRecord(record.pack_record.value());
  to.setPackComplete(record.pack_complete);
  auto oids = to.initRemovedOids(as_count(record.removed.size()));
  auto tids = to.initRemovedTids(as_count(record.removed.size()));
  for (unsigned i = 0; i < oids.size(); ++i) {
    oids.set(i, record.removed[i].oid.value());
    tids.set(i, record.removed[i].tid.value());
  }
}

void build_record(const TransactionRecord& record, schema::ReplicaRecord::Builder to) {
  to.setKind(static_cast<std::uint8_t>(record.kind));
  to.setEpoch(record.epoch.value());
  to.setTid(record.tid.value());
  to.setSession(as_data(record.commit_id.session));
  to.setNumber(record.commit_id.number);
  to.setStatus(static_cast<std::uint8_t>(record.status));
  build_metadata(record.metadata, to);
  to.setOidMark(record.oid_mark.value());
  to.setPackHorizon(record.pack_horizon.value());
  to.setCollectGarbage(record.collect_garbage);
  auto writes = to.initWrites(as_count(record.writes.size()));
  for (unsigned i = 0; i < writes.size(); ++i) build_write(record.writes[i], writes[i]);
  if (record.kind == RecordKind::removal) build_removal(record, to);
}

void build_append(Epoch epoch, const Position& previous, std::span<const TransactionRecord> records,
                  schema::ReplicaAppend::Builder to) {
  to.setEpoch(epoch.value());
  build(previous, to.initPrevious());
  auto built = to.initRecords(as_count(records.size()));
  for (unsigned i = 0; i < built.size(); ++i) build_record(records[i], built[i]);
}

ObjectWrite read_write(schema::ReplicaWrite::Reader from, BodyReader& body) {
  ObjectWrite write;
  write.oid = Oid(from.getOid());
  write.previous = Tid(from.getPrevious());
  write.kind = body.enumerator(from.getKind(), RevisionKind::data, RevisionKind::deletion);
  write.data = body.bytes(from.getData());
  write.back = Tid(from.getBack());
  write.via = Tid(from.getVia());
  if (from.hasBlob()) {
    const auto blob = from.getBlob();
    write.blob = BlobInfo{blob.getSize(), body.id(blob.getHash())};
  }
  const bool is_data = write.kind == RevisionKind::data;
  body.require(is_data || write.data.empty(), "data where a revision has none");
  body.require(write.kind == RevisionKind::back_pointer || write.back.is_zero(),
               "a back-pointer where a revision has none");
  body.require(write.kind != RevisionKind::deletion || !write.blob, "a deletion with a blob");
  body.require(!is_data || write.via.is_zero(), "data that comes from another revision");
  return write;
}

void read_removal(schema::ReplicaRecord::Reader from, BodyReader& body, TransactionRecord& record) {
  record.pack_record = Tid(from.getPackRecord());
  record.pack_complete = from.getPackComplete();
  const std::vector<Oid> oids = body.oids(from.getRemovedOids());
  const auto tids = from.getRemovedTids();
  const bool paired = tids.size() == oids.size();
  record.removed.reserve(oids.size());
  for (unsigned i = 0; paired && i < tids.size(); ++i) {
    record.removed.push_back({oids[i], Tid(tids[i])});
  }
  const auto was_there = [&record](const RevisionKey& key) {
    return !key.tid.is_zero() && key.tid < record.pack_record;
  };
  body.require(record.pack_record < record.tid, "a removal for a pack that is not before it");
  body.require(
      paired && in_removal_order(record.removed) && std::ranges::all_of(record.removed, was_there),
      "removed revisions that are none");
  body.require(record.writes.empty(), "a removal that writes");
}

// Most records come with their oids in order, which costs one pass.
bool has_repeated_oid(const std::vector<ObjectWrite>& writes) {
  const auto not_below = [](const ObjectWrite& a, const ObjectWrite& b) { return a.oid >= b.oid; };
  if (std::ranges::adjacent_find(writes, not_below) == writes.end()) return false;
  std::vector<Oid> oids;
  oids.reserve(writes.size());
  for (const ObjectWrite& write : writes) oids.push_back(write.oid);
  std::ranges::sort(oids);
  return std::ranges::adjacent_find(oids) != oids.end();
}

void read_record(schema::ReplicaRecord::Reader from, BodyReader& body, TransactionRecord& record) {
  record.kind = body.enumerator(from.getKind(), RecordKind::transaction, kRecordKindLast);
  record.epoch = body.epoch(from.getEpoch());
  record.tid = Tid(from.getTid());
  body.require(record.tid <= kMaxTid, "a tid beyond the greatest");
  record.commit_id = {body.id(from.getSession()), from.getNumber()};
  record.status = static_cast<char>(from.getStatus());
  record.metadata = body.metadata(from);
  record.oid_mark = Oid(from.getOidMark());
  record.pack_horizon = Tid(from.getPackHorizon());
  record.collect_garbage = from.getCollectGarbage();
  body.require(record.kind != RecordKind::pack || record.pack_horizon < record.tid,
               "a pack up to its own record or beyond");
  const auto writes = from.getWrites();
  const unsigned count = body.length<schema::ReplicaWrite>(writes);
  record.writes.reserve(count);
  for (unsigned i = 0; i < count; ++i) record.writes.push_back(read_write(writes[i], body));
  body.require(!has_repeated_oid(record.writes), "an object twice in one record");
  if (record.kind == RecordKind::removal) read_removal(from, body, record);
}

}  // namespace

void encode_append(Epoch epoch, const Position& previous,
                   std::span<const TransactionRecord> records, std::string& out,
                   std::size_t compress_from) {
  encode_body<schema::ReplicaAppend>(
      ReplicaAppend::kType, 0, compress_from, words_of_append(records), out,
      [&](schema::ReplicaAppend::Builder to) { build_append(epoch, previous, records, to); });
}

template <>
struct Codec<ReplicaAppend> {
  using Schema = schema::ReplicaAppend;
  static std::size_t words(const ReplicaAppend& m) { return words_of_append(m.records); }
  static void build(const ReplicaAppend& m, Schema::Builder to) {
    build_append(m.epoch, m.previous, m.records, to);
  }
  static ReplicaAppend read(Schema::Reader from, BodyReader& body) {
    ReplicaAppend m;
    m.epoch = body.epoch(from.getEpoch());
    m.previous = body.position(from.getPrevious());
    const auto records = from.getRecords();
    const unsigned count = body.length<schema::ReplicaRecord>(records);
    m.records.resize(count);
    Epoch epoch = m.previous.epoch;
    Tid tid = m.previous.tid;
    for (unsigned i = 0; i < count; ++i) {
      TransactionRecord& record = m.records[i];
      read_record(records[i], body, record);
      body.require(record.tid > tid, "records that are not in the order of the log");
      body.require(record.epoch >= epoch && record.epoch <= m.epoch,
                   "a record of another reign than its place");
      epoch = record.epoch;
      tid = record.tid;
    }
    return m;
  }
};
ZEOLITE_WIRE_CODEC(ReplicaAppend);

}  // namespace zeolite::wire
