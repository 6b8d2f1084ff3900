// Loads and the walk over current objects.
#include "wire/codec_body.h"

namespace zeolite::wire {

template <>
struct Codec<Load> {
  using Schema = schema::Load;
  static std::size_t words(const Load&) { return 0; }
  static void build(const Load& m, Schema::Builder to) {
    to.setOid(m.oid.value());
    to.setBefore(m.before.value());
  }
  static Load read(Schema::Reader from, BodyReader&) {
    return {Oid(from.getOid()), Tid(from.getBefore())};
  }
};
ZEOLITE_WIRE_CODEC(Load);

template <>
struct Codec<LoadSerial> {
  using Schema = schema::LoadSerial;
  static std::size_t words(const LoadSerial&) { return 0; }
  static void build(const LoadSerial& m, Schema::Builder to) {
    to.setOid(m.oid.value());
    to.setTid(m.tid.value());
  }
  static LoadSerial read(Schema::Reader from, BodyReader&) {
    return {Oid(from.getOid()), Tid(from.getTid())};
  }
};
ZEOLITE_WIRE_CODEC(LoadSerial);

template <>
struct Codec<Loaded> {
  using Schema = schema::Loaded;
  static std::size_t words(const Loaded& m) { return words_of_data(m.data.view()); }
  static void build(const Loaded& m, Schema::Builder to) {
    to.setStatus(static_cast<std::uint8_t>(m.status));
    to.setData(as_data(m.data.view()));
    to.setTid(m.tid.value());
    to.setEnd(m.end.value());
  }
  static Loaded read(Schema::Reader from, BodyReader& body) {
    return {body.enumerator(from.getStatus(), LoadedStatus::found, LoadedStatus::deleted),
            body.bytes(from.getData()), Tid(from.getTid()), Tid(from.getEnd())};
  }
};
ZEOLITE_WIRE_CODEC(Loaded);

template <>
struct Codec<LoadMany> {
  using Schema = schema::LoadMany;
  static std::size_t words(const LoadMany& m) { return m.oids.size(); }
  static void build(const LoadMany& m, Schema::Builder to) {
    build_oids(m.oids, to.initOids(as_count(m.oids.size())));
    to.setBefore(m.before.value());
  }
  static LoadMany read(Schema::Reader from, BodyReader& body) {
    return {body.oids(from.getOids(), kItemsMax), Tid(from.getBefore())};
  }
};
ZEOLITE_WIRE_CODEC(LoadMany);

template <>
struct Codec<LoadedMany> {
  using Schema = schema::LoadedMany;
  static std::size_t words(const LoadedMany& m) {
    std::size_t words = words_of_list<schema::Loaded>(m.items.size());
    for (const Loaded& item : m.items) words += Codec<Loaded>::words(item);
    return words;
  }
  static void build(const LoadedMany& m, Schema::Builder to) {
    auto items = to.initItems(as_count(m.items.size()));
    for (unsigned i = 0; i < items.size(); ++i) Codec<Loaded>::build(m.items[i], items[i]);
  }
  static LoadedMany read(Schema::Reader from, BodyReader& body) {
    LoadedMany m;
    const auto items = from.getItems();
    const unsigned count = body.length<schema::Loaded>(items, kItemsMax);
    m.items.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
      m.items.push_back(Codec<Loaded>::read(items[i], body));
    }
    return m;
  }
};
ZEOLITE_WIRE_CODEC(LoadedMany);

template <>
struct Codec<Walk> {
  using Schema = schema::Walk;
  static std::size_t words(const Walk&) { return 0; }
  static void build(const Walk& m, Schema::Builder to) {
    to.setFrom(m.from.value());
    to.setCount(m.count);
  }
  static Walk read(Schema::Reader from, BodyReader& body) {
    return {Oid(from.getFrom()), body.asked_count(from.getCount())};
  }
};
ZEOLITE_WIRE_CODEC(Walk);

template <>
struct Codec<Walked> {
  using Schema = schema::Walked;
  static std::size_t words(const Walked& m) {
    return words_of_list<schema::ObjectAt>(m.items.size());
  }
  static void build(const Walked& m, Schema::Builder to) {
    auto items = to.initItems(as_count(m.items.size()));
    for (unsigned i = 0; i < items.size(); ++i) {
      auto item = items[i];
      item.setOid(m.items[i].oid.value());
      item.setTid(m.items[i].tid.value());
    }
    to.setNext(m.next.value());
  }
  static Walked read(Schema::Reader from, BodyReader& body) {
    Walked m;
    const auto items = from.getItems();
    const unsigned count = body.length<schema::ObjectAt>(items, kItemsMax);
    m.items.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
      m.items.push_back({Oid(items[i].getOid()), Tid(items[i].getTid())});
    }
    m.next = Oid(from.getNext());
    return m;
  }
};
ZEOLITE_WIRE_CODEC(Walked);

template <>
struct Codec<LoadBlob> {
  using Schema = schema::LoadBlob;
  static std::size_t words(const LoadBlob&) { return 0; }
  static void build(const LoadBlob& m, Schema::Builder to) {
    to.setOid(m.oid.value());
    to.setTid(m.tid.value());
    to.setOffset(m.offset);
    to.setLength(m.length);
  }
  static LoadBlob read(Schema::Reader from, BodyReader& body) {
    const std::uint32_t length = from.getLength();
    body.require(length >= 1 && length <= LoadBlob::kLengthMax, "a length outside 1 to 1 MiB");
    return {Oid(from.getOid()), Tid(from.getTid()), from.getOffset(), length};
  }
};
ZEOLITE_WIRE_CODEC(LoadBlob);

template <>
struct Codec<BlobPart> {
  using Schema = schema::BlobPart;
  static std::size_t words(const BlobPart& m) {
    return words_of_bytes(sizeof(ChainHash)) + words_of_data(m.data.view());
  }
  static void build(const BlobPart& m, Schema::Builder to) {
    to.setSize(m.blob.size);
    to.setHash(as_data(m.blob.hash));
    to.setData(as_data(m.data.view()));
  }
  static BlobPart read(Schema::Reader from, BodyReader& body) {
    return {{from.getSize(), body.id(from.getHash())}, body.bytes(from.getData())};
  }
};
ZEOLITE_WIRE_CODEC(BlobPart);

}  // namespace zeolite::wire
