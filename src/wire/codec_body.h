#pragma once

// Internal to codec*.cc: what all messages share in building and reading a body.

#include "wire/capnp_prelude.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/error.h"
#include "model/ids.h"
#include "model/max_epoch.h"
#include "model/transaction_record.h"
#include "wire/codec.h"
#include "wire/frame.h"
#include "wire/messages.h"
#include "wire/zeolite.capnp.h"

namespace zeolite::wire {

inline constexpr std::size_t kWordSize = sizeof(capnp::word);
inline constexpr std::size_t kItemsMax = 10'000;
inline constexpr std::size_t kMetadataMax = 65'535;

// ---- sizes: words that the parts of a message take in a body, known before it is built ----------

constexpr std::size_t words_of_bytes(std::size_t size) {
  return (size + kWordSize - 1) / kWordSize;
}
inline std::size_t words_of_data(ByteView data) { return words_of_bytes(data.size()); }
// Text ends with a zero byte.
inline std::size_t words_of_text(std::string_view text) { return words_of_bytes(text.size() + 1); }
// Without what the elements point to.
template <typename Schema>
constexpr std::size_t words_of_list(std::size_t count) {
  return 1 + count * capnp::sizeInWords<Schema>();
}
inline std::size_t words_of(const Position& position) {
  return capnp::sizeInWords<schema::Position>() + words_of_bytes(position.chain.size());
}
inline std::size_t words_of(const TransactionMetadata& metadata) {
  return words_of_data(metadata.user) + words_of_data(metadata.description) +
         words_of_data(metadata.extension);
}

// ---- building
// ------------------------------------------------------------------------------------

inline capnp::Data::Reader as_data(ByteView bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
inline capnp::Data::Reader as_data(const Id128& id) { return as_data(view_of(id)); }
inline capnp::Text::Reader as_text(const std::string& text) { return {text.c_str(), text.size()}; }
template <typename Number>
unsigned as_count(const Number& size) {
  CHECK(size <= capnp::MAX_LIST_ELEMENTS / capnp::ELEMENTS, "a list is too long for a message");
  return static_cast<unsigned>(size);
}

void build(const Position& from, schema::Position::Builder to);
// `to` is as long as `from`.
void build_oids(const std::vector<Oid>& from, capnp::List<std::uint64_t>::Builder to);
// For each struct with user, description and extension.
template <typename Builder>
void build_metadata(const TransactionMetadata& from, Builder& to) {
  to.setUser(as_data(from.user));
  to.setDescription(as_data(from.description));
  to.setExtension(as_data(from.extension));
}

// Appends a frame to `out` whose body is built in place by `fill(Schema::Builder)`. `words` is at
// least what fill allocates beyond the root struct, by the functions above.
template <typename Schema, typename Fill>
void encode_body(MessageType type, std::uint32_t request_id, std::size_t compress_from,
                 std::size_t words, std::string& out, Fill fill) {
  constexpr std::size_t kSegmentTableSize = kWordSize;
  const std::size_t frame_at = begin_frame(out);
  const std::size_t body_at = out.size();
  const std::size_t room = 1 + capnp::sizeInWords<Schema>() + words;
  out.resize(body_at + kSegmentTableSize + room * kWordSize);
  char* const table = out.data() + body_at;
  std::size_t used = 0;
  try {
    capnp::FlatMessageBuilder builder(
        kj::arrayPtr(reinterpret_cast<capnp::word*>(table + kSegmentTableSize), room));
    fill(builder.template initRoot<Schema>());
    used = builder.getSegmentsForOutput()[0].size();
  } catch (const kj::Exception& e) {
    CHECK(false, e.getDescription().cStr());
  }
  // One segment: its number less one, which is already there as zero, then its size.
  const auto size = static_cast<std::uint32_t>(used);
  std::memcpy(table + sizeof size, &size, sizeof size);
  out.resize(body_at + kSegmentTableSize + used * kWordSize);
  finish_frame(frame_at, static_cast<std::uint8_t>(type), request_id, compress_from, out);
}

// ---- reading
// -------------------------------------------------------------------------------------

// Reads one body: checks what Cap'n Proto does not, and remembers the first thing that is wrong.
// After that, lists read as empty, so that a lie costs little; the message read is thrown away.
class BodyReader {
 public:
  // `body` must outlive the reader and be aligned.
  explicit BodyReader(const Bytes& body) : body_(body) {}

  void require(bool condition, std::string_view what) {
    if (!condition && !error_) error_ = std::string(what);
  }
  [[nodiscard]] const std::optional<std::string>& error() const { return error_; }

  // A slice of the frame.
  [[nodiscard]] Bytes bytes(capnp::Data::Reader data) const {
    if (data.size() == 0) return {};
    const char* const begin = reinterpret_cast<const char*>(data.begin());
    return body_.slice(static_cast<std::size_t>(begin - body_.view().data()), data.size());
  }
  [[nodiscard]] static std::string text(capnp::Text::Reader text) {
    return {text.begin(), text.size()};
  }
  [[nodiscard]] Id128 id(capnp::Data::Reader data);
  [[nodiscard]] Epoch epoch(std::uint64_t epoch) {
    require(Epoch(epoch) <= kMaxEpoch, "an epoch beyond the greatest");
    return Epoch(epoch);
  }
  [[nodiscard]] Position position(schema::Position::Reader position);
  [[nodiscard]] std::string metadata_part(capnp::Data::Reader data);
  template <typename Reader>
  [[nodiscard]] TransactionMetadata metadata(const Reader& from) {
    TransactionMetadata metadata;
    metadata.user = metadata_part(from.getUser());
    metadata.description = metadata_part(from.getDescription());
    metadata.extension = metadata_part(from.getExtension());
    return metadata;
  }

  // `number` as Enum, whose values are first..last without gaps.
  template <typename Enum, typename Number>
  [[nodiscard]] Enum enumerator(Number number, Enum first, Enum last) {
    const auto value = static_cast<Enum>(number);
    const bool known = value >= first && value <= last;
    require(known, "a number that names nothing we know");
    return known ? value : first;
  }
  [[nodiscard]] std::uint32_t asked_count(std::uint32_t count) {
    require(count >= 1 && count <= kItemsMax, "a count outside 1 to 10,000");
    return count;
  }

  // The length of a list of structs. Cap'n Proto lets a sender declare elements smaller than ours,
  // down to one byte; what we make of each element takes a whole struct, so all elements of all
  // lists must have room in the body.
  template <typename Schema>
  [[nodiscard]] unsigned length(const typename capnp::List<Schema>::Reader& list,
                                std::size_t max = SIZE_MAX) {
    require(list.size() <= max, "a list longer than it may have");
    words_told_ += list.size() * std::size_t{capnp::sizeInWords<Schema>()};
    require(words_told_ * kWordSize <= body_.size(), "lists longer than it has room for");
    return error_ ? 0U : list.size();
  }
  [[nodiscard]] std::vector<Oid> oids(const capnp::List<std::uint64_t>::Reader& list,
                                      std::size_t max = SIZE_MAX);

 private:
  const Bytes& body_;
  std::size_t words_told_ = 0;
  std::optional<std::string> error_;
};

// ---- one message
// ---------------------------------------------------------------------------------

// What a group's file defines for each of its messages M:
//   using Schema = ...;                                          root struct of the body
//   static std::size_t words(const M&);                          what the parts take
//   static void build(const M&, Schema::Builder);
//   static M read(Schema::Reader, BodyReader&);
template <typename M>
struct Codec;

// Of a message that says everything by its type.
template <typename M>
struct NothingCodec {
  using Schema = schema::Nothing;
  static std::size_t words(const M&) { return 0; }
  static void build(const M&, Schema::Builder) {}
  static M read(Schema::Reader, BodyReader&) { return {}; }
};

// Reads a body as an M.
template <typename M>
Result<Message> decode_as(const Frame& frame) {
  constexpr auto kCode = ErrorCode::protocol_error;
  // Every word may be read once (which a hostile message would do many times over by pointers to
  // the same place), and a little more for empty structs.
  constexpr std::size_t kTraversalSlack = 64;
  constexpr int kNestingMax = 8;
  const std::size_t size = frame.body.size();
  if (size % kWordSize != 0) return make_error(kCode, "a body is not a whole number of words");
  CHECK(std::bit_cast<std::uintptr_t>(frame.body.view().data()) % kWordSize == 0,
        "a frame's body must be aligned");
  const auto words = kj::arrayPtr(reinterpret_cast<const capnp::word*>(frame.body.view().data()),
                                  size / kWordSize);
  try {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = words.size() + kTraversalSlack;
    options.nestingLimit = kNestingMax;
    capnp::FlatArrayMessageReader reader(words, options);
    BodyReader body(frame.body);
    body.require(reader.getEnd() == words.end(), "bytes after its end");
    Result<Message> message(std::in_place,
                            Codec<M>::read(reader.getRoot<typename Codec<M>::Schema>(), body));
    if (body.error()) return make_error(kCode, "a message has " + *body.error());
    return message;
  } catch (const kj::Exception& e) {
    return make_error(kCode,
                      std::string("a body is not a valid message: ") + e.getDescription().cStr());
  }
}

template <typename M>
void encode(const M& message, std::uint32_t request_id, std::string& out,
            std::size_t compress_from) {
  using Schema = typename Codec<M>::Schema;
  encode_body<Schema>(M::kType, request_id, compress_from, Codec<M>::words(message), out,
                      [&](typename Schema::Builder to) { Codec<M>::build(message, to); });
}

// For the group's file, after Codec<M>.
#define ZEOLITE_WIRE_CODEC(M)                                                  \
  template void encode<M>(const M&, std::uint32_t, std::string&, std::size_t); \
  template Result<Message> decode_as<M>(const Frame&)

}  // namespace zeolite::wire
