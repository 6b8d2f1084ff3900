// Who is the primary: what the command line asks to change it, what clients are told, and the wait
// for a line that another server has reached.
#include "wire/codec_body.h"

namespace zeolite::wire {

template <>
struct Codec<Promote> {
  using Schema = schema::Promote;
  static std::size_t words(const Promote&) { return 0; }
  static void build(const Promote& m, Schema::Builder to) { to.setForce(m.force); }
  static Promote read(Schema::Reader from, BodyReader&) { return {from.getForce()}; }
};
ZEOLITE_WIRE_CODEC(Promote);

template <>
struct Codec<Switchover> {
  using Schema = schema::Switchover;
  static std::size_t words(const Switchover& m) { return words_of_text(m.target); }
  static void build(const Switchover& m, Schema::Builder to) {
    to.setTarget(as_text(m.target));
    to.setTimeoutMs(m.timeout_ms);
  }
  static Switchover read(Schema::Reader from, BodyReader&) {
    return {BodyReader::text(from.getTarget()), from.getTimeoutMs()};
  }
};
ZEOLITE_WIRE_CODEC(Switchover);

template <>
struct Codec<Demote> : NothingCodec<Demote> {};
ZEOLITE_WIRE_CODEC(Demote);

template <>
struct Codec<RoleChanged> {
  using Schema = schema::RoleChanged;
  static std::size_t words(const RoleChanged& m) { return words_of_text(m.primary); }
  static void build(const RoleChanged& m, Schema::Builder to) {
    to.setRole(static_cast<std::uint8_t>(m.role));
    to.setEpoch(m.epoch.value());
    to.setPrimary(as_text(m.primary));
  }
  static RoleChanged read(Schema::Reader from, BodyReader& body) {
    return {body.enumerator(from.getRole(), NodeRole::starting, NodeRole::standby),
            body.epoch(from.getEpoch()), BodyReader::text(from.getPrimary())};
  }
};
ZEOLITE_WIRE_CODEC(RoleChanged);

template <>
struct Codec<Topology> {
  using Schema = schema::Topology;
  static std::size_t words(const Topology& m) {
    std::size_t words = words_of_text(m.primary) + m.standbys.size();
    for (const std::string& standby : m.standbys) words += words_of_text(standby);
    return words;
  }
  static void build(const Topology& m, Schema::Builder to) {
    to.setEpoch(m.epoch.value());
    to.setPrimary(as_text(m.primary));
    auto standbys = to.initStandbys(as_count(m.standbys.size()));
    for (unsigned i = 0; i < standbys.size(); ++i) standbys.set(i, as_text(m.standbys[i]));
  }
  static Topology read(Schema::Reader from, BodyReader& body) {
    Topology m;
    m.epoch = body.epoch(from.getEpoch());
    m.primary = BodyReader::text(from.getPrimary());
    const auto standbys = from.getStandbys();
    body.require(standbys.size() <= kItemsMax, "a list longer than it may have");
    if (body.error()) return m;
    m.standbys.reserve(standbys.size());
    for (const auto standby : standbys) m.standbys.push_back(BodyReader::text(standby));
    return m;
  }
};
ZEOLITE_WIRE_CODEC(Topology);

template <>
struct Codec<Await> {
  using Schema = schema::Await;
  static std::size_t words(const Await&) { return 0; }
  static void build(const Await& m, Schema::Builder to) {
    to.setEpoch(m.epoch.value());
    to.setAtLeast(m.at_least.value());
    to.setTimeoutMs(m.timeout_ms);
  }
  static Await read(Schema::Reader from, BodyReader& body) {
    return {body.epoch(from.getEpoch()), Tid(from.getAtLeast()), from.getTimeoutMs()};
  }
};
ZEOLITE_WIRE_CODEC(Await);

}  // namespace zeolite::wire
