// Handshake, and what may come at any time.
#include "wire/codec_body.h"

namespace zeolite::wire {

template <>
struct Codec<Hello> {
  using Schema = schema::Hello;
  static std::size_t words(const Hello& m) {
    return words_of_text(m.storage) + words_of_text(m.label) + words_of_data(view_of(m.session)) +
           words_of(m.cache);
  }
  static void build(const Hello& m, Schema::Builder to) {
    to.setVersionMin(m.version_min);
    to.setVersionMax(m.version_max);
    to.setFeatures(m.features);
    to.setStorage(as_text(m.storage));
    to.setLabel(as_text(m.label));
    to.setSession(as_data(m.session));
    wire::build(m.cache, to.initCache());
    to.setWantsInvalidations(m.wants_invalidations);
    to.setAcceptsStandby(m.accepts_standby);
    to.setMaxStalenessMs(m.max_staleness_ms);
  }
  static Hello read(Schema::Reader from, BodyReader& body) {
    Hello m;
    m.version_min = from.getVersionMin();
    m.version_max = from.getVersionMax();
    m.features = from.getFeatures();
    m.storage = BodyReader::text(from.getStorage());
    m.label = BodyReader::text(from.getLabel());
    m.session = body.id(from.getSession());
    m.cache = body.position(from.getCache());
    m.wants_invalidations = from.getWantsInvalidations();
    m.accepts_standby = from.getAcceptsStandby();
    m.max_staleness_ms = from.getMaxStalenessMs();
    return m;
  }
};
ZEOLITE_WIRE_CODEC(Hello);

template <>
struct Codec<Welcome> {
  using Schema = schema::Welcome;
  static std::size_t words(const Welcome& m) {
    return words_of_data(view_of(m.cluster_id)) + words_of_text(m.node) + words_of(m.visible);
  }
  static void build(const Welcome& m, Schema::Builder to) {
    to.setVersion(m.version);
    to.setFeatures(m.features);
    to.setClusterId(as_data(m.cluster_id));
    to.setNode(as_text(m.node));
    to.setRole(static_cast<std::uint8_t>(m.role));
    to.setEpoch(m.epoch.value());
    wire::build(m.visible, to.initVisible());
    to.setCacheValid(m.cache_valid);
    to.setBodyMax(m.body_max);
    to.setTransactionBytesMax(m.transaction_bytes_max);
  }
  static Welcome read(Schema::Reader from, BodyReader& body) {
    Welcome m;
    m.version = from.getVersion();
    m.features = from.getFeatures();
    m.cluster_id = body.id(from.getClusterId());
    m.node = BodyReader::text(from.getNode());
    m.role = body.enumerator(from.getRole(), NodeRole::starting, NodeRole::standby);
    m.epoch = body.epoch(from.getEpoch());
    m.visible = body.position(from.getVisible());
    m.cache_valid = from.getCacheValid();
    m.body_max = from.getBodyMax();
    m.transaction_bytes_max = from.getTransactionBytesMax();
    return m;
  }
};
ZEOLITE_WIRE_CODEC(Welcome);

template <>
struct Codec<ErrorReply> {
  using Schema = schema::ErrorReply;
  static std::size_t words(const ErrorReply& m) {
    return words_of_text(m.error.detail) + words_of_text(m.leader);
  }
  static void build(const ErrorReply& m, Schema::Builder to) {
    to.setCode(static_cast<std::uint16_t>(m.error.code));
    to.setDetail(as_text(m.error.detail));
    to.setLeader(as_text(m.leader));
  }
  static ErrorReply read(Schema::Reader from, BodyReader& body) {
    const auto code = body.enumerator(from.getCode(), ErrorCode::not_found, ErrorCode::too_new);
    return {Error{code, BodyReader::text(from.getDetail())}, BodyReader::text(from.getLeader())};
  }
};
ZEOLITE_WIRE_CODEC(ErrorReply);

template <>
struct Codec<Ping> {
  using Schema = schema::Ping;
  static std::size_t words(const Ping& m) { return words_of_data(m.payload.view()); }
  static void build(const Ping& m, Schema::Builder to) { to.setPayload(as_data(m.payload.view())); }
  static Ping read(Schema::Reader from, BodyReader& body) {
    return {body.bytes(from.getPayload())};
  }
};
ZEOLITE_WIRE_CODEC(Ping);

template <>
struct Codec<Pong> {
  using Schema = schema::Pong;
  static std::size_t words(const Pong& m) { return words_of_data(m.payload.view()); }
  static void build(const Pong& m, Schema::Builder to) {
    to.setPayload(as_data(m.payload.view()));
    to.setVisible(m.visible.value());
  }
  static Pong read(Schema::Reader from, BodyReader& body) {
    return {body.bytes(from.getPayload()), Tid(from.getVisible())};
  }
};
ZEOLITE_WIRE_CODEC(Pong);

template <>
struct Codec<Invalidate> {
  using Schema = schema::Invalidate;
  static std::size_t words(const Invalidate& m) { return m.oids.size(); }
  static void build(const Invalidate& m, Schema::Builder to) {
    to.setTid(m.tid.value());
    build_oids(m.oids, to.initOids(as_count(m.oids.size())));
    to.setLast(m.last);
  }
  static Invalidate read(Schema::Reader from, BodyReader& body) {
    return {Tid(from.getTid()), body.oids(from.getOids()), from.getLast()};
  }
};
ZEOLITE_WIRE_CODEC(Invalidate);

}  // namespace zeolite::wire
