#include "wire/codec_body.h"

namespace zeolite::wire {

template <>
struct Codec<Pack> {
  using Schema = schema::Pack;
  static std::size_t words(const Pack&) { return 0; }
  static void build(const Pack& m, Schema::Builder to) {
    to.setHorizon(m.horizon.value());
    to.setCollectGarbage(m.collect_garbage);
    to.setDryRun(m.dry_run);
  }
  static Pack read(Schema::Reader from, BodyReader&) {
    return {Tid(from.getHorizon()), from.getCollectGarbage(), from.getDryRun()};
  }
};
ZEOLITE_WIRE_CODEC(Pack);

template <>
struct Codec<PackReport> {
  using Schema = schema::PackReport;
  static std::size_t words(const PackReport& m) {
    std::size_t words = m.dangling.size() + m.unreadable.size();
    for (const std::string& record : m.unreadable) words += words_of_text(record);
    return words;
  }
  static void build(const PackReport& m, Schema::Builder to) {
    to.setHorizon(m.horizon.value());
    to.setGarbageWanted(m.garbage_wanted);
    to.setGarbageCollected(m.garbage_collected);
    to.setRootMissing(m.root_missing);
    to.setObjects(m.objects);
    to.setRevisions(m.revisions);
    to.setRemovedObjects(m.removed_objects);
    to.setRemovedRevisions(m.removed_revisions);
    to.setRemovedBytes(m.removed_bytes);
    to.setRemovedBlobs(m.removed_blobs);
    to.setDanglingCount(m.dangling_count);
    auto dangling = to.initDangling(as_count(m.dangling.size()));
    for (unsigned i = 0; i < dangling.size(); ++i) dangling.set(i, m.dangling[i].value());
    to.setUnreadableCount(m.unreadable_count);
    auto unreadable = to.initUnreadable(as_count(m.unreadable.size()));
    for (unsigned i = 0; i < unreadable.size(); ++i) unreadable.set(i, as_text(m.unreadable[i]));
  }
  static PackReport read(Schema::Reader from, BodyReader&) {
    PackReport m;
    m.horizon = Tid(from.getHorizon());
    m.garbage_wanted = from.getGarbageWanted();
    m.garbage_collected = from.getGarbageCollected();
    m.root_missing = from.getRootMissing();
    m.objects = from.getObjects();
    m.revisions = from.getRevisions();
    m.removed_objects = from.getRemovedObjects();
    m.removed_revisions = from.getRemovedRevisions();
    m.removed_bytes = from.getRemovedBytes();
    m.removed_blobs = from.getRemovedBlobs();
    m.dangling_count = from.getDanglingCount();
    const auto dangling = from.getDangling();
    m.dangling.reserve(dangling.size());
    for (const auto oid : dangling) m.dangling.emplace_back(oid);
    m.unreadable_count = from.getUnreadableCount();
    const auto unreadable = from.getUnreadable();
    m.unreadable.reserve(unreadable.size());
    for (const auto record : unreadable) m.unreadable.push_back(BodyReader::text(record));
    return m;
  }
};
ZEOLITE_WIRE_CODEC(PackReport);

}  // namespace zeolite::wire
