// Between servers: the stream's handshake, acknowledgements and blobs. Its records are in
// codec_append.cc.
#include "wire/codec_body.h"

namespace zeolite::wire {

template <>
struct Codec<ReplicaHello> {
  using Schema = schema::ReplicaHello;
  static std::size_t words(const ReplicaHello& m) {
    return words_of_data(view_of(m.cluster_id)) + words_of_data(view_of(m.node)) +
           words_of_text(m.name) + words_of_text(m.address) + words_of(m.position) +
           words_of(m.last) + words_of_text(m.storage);
  }
  static void build(const ReplicaHello& m, Schema::Builder to) {
    to.setVersionMin(m.version_min);
    to.setVersionMax(m.version_max);
    to.setClusterId(as_data(m.cluster_id));
    to.setNode(as_data(m.node));
    to.setName(as_text(m.name));
    to.setAddress(as_text(m.address));
    to.setPromised(m.promised.value());
    wire::build(m.position, to.initPosition());
    wire::build(m.last, to.initLast());
    to.setStorage(as_text(m.storage));
    to.setByCommand(m.by_command);
  }
  static ReplicaHello read(Schema::Reader from, BodyReader& body) {
    ReplicaHello m;
    m.version_min = from.getVersionMin();
    m.version_max = from.getVersionMax();
    m.cluster_id = body.id(from.getClusterId());
    m.node = body.id(from.getNode());
    m.name = BodyReader::text(from.getName());
    m.address = BodyReader::text(from.getAddress());
    m.promised = body.epoch(from.getPromised());
    m.position = body.position(from.getPosition());
    m.last = body.position(from.getLast());
    m.storage = BodyReader::text(from.getStorage());
    m.by_command = from.getByCommand();
    return m;
  }
};
ZEOLITE_WIRE_CODEC(ReplicaHello);

template <>
struct Codec<ReplicaWelcome> {
  using Schema = schema::ReplicaWelcome;
  static std::size_t words(const ReplicaWelcome& m) {
    return words_of_data(view_of(m.cluster_id)) + words_of_data(view_of(m.node)) +
           words_of_text(m.name) + words_of(m.position) + words_of_text(m.reason) +
           words_of_text(m.leader);
  }
  static void build(const ReplicaWelcome& m, Schema::Builder to) {
    to.setVersion(m.version);
    to.setDecision(static_cast<std::uint8_t>(m.decision));
    to.setEpoch(m.epoch.value());
    to.setClusterId(as_data(m.cluster_id));
    to.setNode(as_data(m.node));
    to.setName(as_text(m.name));
    wire::build(m.position, to.initPosition());
    to.setHeartbeatMs(m.heartbeat_ms);
    to.setReason(as_text(m.reason));
    to.setLeader(as_text(m.leader));
  }
  static ReplicaWelcome read(Schema::Reader from, BodyReader& body) {
    using Decision = ReplicaWelcome::Decision;
    ReplicaWelcome m;
    m.version = from.getVersion();
    m.decision = body.enumerator(from.getDecision(), Decision::stream, Decision::reject);
    m.epoch = body.epoch(from.getEpoch());
    m.cluster_id = body.id(from.getClusterId());
    m.node = body.id(from.getNode());
    m.name = BodyReader::text(from.getName());
    m.position = body.position(from.getPosition());
    m.heartbeat_ms = from.getHeartbeatMs();
    m.reason = BodyReader::text(from.getReason());
    m.leader = BodyReader::text(from.getLeader());
    return m;
  }
};
ZEOLITE_WIRE_CODEC(ReplicaWelcome);

template <>
struct Codec<ReplicaAck> {
  using Schema = schema::ReplicaAck;
  static std::size_t words(const ReplicaAck& m) { return words_of(m.flushed); }
  static void build(const ReplicaAck& m, Schema::Builder to) {
    to.setEpoch(m.epoch.value());
    wire::build(m.flushed, to.initFlushed());
    to.setVisible(m.visible.value());
    to.setDiskFull(m.disk_full);
    to.setEcho(m.echo);
    to.setQuestion(m.question);
  }
  static ReplicaAck read(Schema::Reader from, BodyReader& body) {
    return {body.epoch(from.getEpoch()),
            body.position(from.getFlushed()),
            Tid(from.getVisible()),
            from.getDiskFull(),
            from.getEcho(),
            from.getQuestion()};
  }
};
ZEOLITE_WIRE_CODEC(ReplicaAck);

template <>
struct Codec<ReplicaHeartbeat> {
  using Schema = schema::ReplicaHeartbeat;
  static std::size_t words(const ReplicaHeartbeat&) { return 0; }
  static void build(const ReplicaHeartbeat& m, Schema::Builder to) {
    to.setEpoch(m.epoch.value());
    to.setVisible(m.visible.value());
    to.setLast(m.last.value());
    to.setInSync(m.in_sync);
    to.setSequence(m.sequence);
    to.setAnswers(m.answers);
    to.setAgeMs(m.age_ms);
  }
  static ReplicaHeartbeat read(Schema::Reader from, BodyReader& body) {
    return {
        body.epoch(from.getEpoch()), Tid(from.getVisible()), Tid(from.getLast()), from.getInSync(),
        from.getSequence(),          from.getAnswers(),      from.getAgeMs()};
  }
};
ZEOLITE_WIRE_CODEC(ReplicaHeartbeat);

template <>
struct Codec<ReplicaBlob> {
  using Schema = schema::ReplicaBlob;
  static std::size_t words(const ReplicaBlob& m) { return words_of_data(m.data.view()); }
  static void build(const ReplicaBlob& m, Schema::Builder to) {
    to.setOid(m.oid.value());
    to.setTid(m.tid.value());
    to.setOffset(m.offset);
    to.setSize(m.size);
    to.setData(as_data(m.data.view()));
  }
  static ReplicaBlob read(Schema::Reader from, BodyReader& body) {
    ReplicaBlob m{Oid(from.getOid()), Tid(from.getTid()), from.getOffset(), from.getSize(),
                  body.bytes(from.getData())};
    body.require(m.offset <= m.size && m.data.size() <= m.size - m.offset,
                 "a piece of a blob beyond its end");
    return m;
  }
};
ZEOLITE_WIRE_CODEC(ReplicaBlob);

template <>
struct Codec<StaleEpoch> {
  using Schema = schema::StaleEpoch;
  static std::size_t words(const StaleEpoch& m) { return words_of_text(m.leader); }
  static void build(const StaleEpoch& m, Schema::Builder to) {
    to.setPromised(m.promised.value());
    to.setLeader(as_text(m.leader));
  }
  static StaleEpoch read(Schema::Reader from, BodyReader& body) {
    return {body.epoch(from.getPromised()), BodyReader::text(from.getLeader())};
  }
};
ZEOLITE_WIRE_CODEC(StaleEpoch);

template <>
struct Codec<Handover> {
  using Schema = schema::Handover;
  static std::size_t words(const Handover& m) { return words_of(m.last); }
  static void build(const Handover& m, Schema::Builder to) {
    to.setEpoch(m.epoch.value());
    wire::build(m.last, to.initLast());
  }
  static Handover read(Schema::Reader from, BodyReader& body) {
    return {body.epoch(from.getEpoch()), body.position(from.getLast())};
  }
};
ZEOLITE_WIRE_CODEC(Handover);

}  // namespace zeolite::wire
