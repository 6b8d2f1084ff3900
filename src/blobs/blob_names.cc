#include "blobs/blob_names.h"

#include <algorithm>

#include "base/bytes.h"

namespace zeolite::blobs {

namespace {

constexpr std::string_view kBlobSuffix = ".blob";
constexpr std::string_view kStagedSuffix = ".staged";
constexpr std::string_view kUploadSuffix = ".upload";
constexpr std::string_view kSharedSuffix = ".tmp";
constexpr std::size_t kFileNameMax = 255;

std::string hex16(std::uint64_t number) {
  std::string bytes;
  put_u64(bytes, number);
  return to_hex(bytes);
}

// As ZODB.utils.oid_repr: without leading zero bytes, but one at least.
std::string short_hex(std::uint64_t number) {
  std::string digits = hex16(number);
  const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size() - 1);
  return "0x" + digits.substr(first & ~std::size_t{1});
}

// `text` without `suffix`; nothing when it does not end so.
std::optional<std::string_view> without_suffix(std::string_view text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return std::nullopt;
  return text.substr(0, text.size() - suffix.size());
}

// The field before the next '-', taken from the front of `text`.
std::string_view take_field(std::string_view& text) {
  const std::size_t end = std::min(text.find('-'), text.size());
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return field;
}

}  // namespace

std::string_view to_string(Layout layout) { return layout == Layout::bushy ? "bushy" : "lawn"; }

std::optional<Layout> parse_layout(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(kSpace) + 1 - first);
  if (text == "bushy") return Layout::bushy;
  if (text == "lawn") return Layout::lawn;
  return std::nullopt;
}

std::string object_directory(Layout layout, Oid oid) {
  if (layout == Layout::lawn) return short_hex(oid.value());
  const std::string digits = hex16(oid.value());
  std::string path;
  for (std::size_t at = 0; at < digits.size(); at += 2) {
    if (at > 0) path += '/';
    path += "0x";
    path += std::string_view(digits).substr(at, 2);
  }
  return path;
}

std::string blob_file_name(Tid tid) { return short_hex(tid.value()) + std::string(kBlobSuffix); }

std::optional<std::uint8_t> parse_bushy_level(std::string_view name) {
  if (name.size() != 4 || !name.starts_with("0x")) return std::nullopt;
  const std::optional<std::string> byte = from_hex(name.substr(2));
  if (!byte || "0x" + to_hex(*byte) != name) return std::nullopt;
  return static_cast<std::uint8_t>((*byte)[0]);
}

std::optional<Tid> parse_blob_file_name(std::string_view name) {
  const auto stem = without_suffix(name, kBlobSuffix);
  if (!stem || !stem->starts_with("0x")) return std::nullopt;
  const std::optional<std::uint64_t> number = parse_hex_u64(*stem);
  if (!number || blob_file_name(Tid(*number)) != name) return std::nullopt;
  return Tid(*number);
}

std::string format_staged_name(const StagedName& name) {
  return hex16(name.oid.value()) + "-" + hex16(name.info.size) + "-" +
         to_hex(view_of(name.info.hash)) + "-" + hex16(name.number) + std::string(kStagedSuffix);
}

std::optional<StagedName> parse_staged_name(std::string_view name) {
  auto rest = without_suffix(name, kStagedSuffix);
  if (!rest) return std::nullopt;
  const auto oid = parse_hex_u64(take_field(*rest));
  const auto size = parse_hex_u64(take_field(*rest));
  const auto hash = from_hex(take_field(*rest));
  const auto number = parse_hex_u64(take_field(*rest));
  if (!oid || !size || !hash || hash->size() != ChainHash{}.size() || !number) return std::nullopt;
  const StagedName parsed{Oid(*oid), BlobInfo{*size, id128_from(*hash)}, *number};
  if (format_staged_name(parsed) != name) return std::nullopt;
  return parsed;
}

std::string upload_name(std::uint64_t number) { return hex16(number) + std::string(kUploadSuffix); }

std::optional<std::uint64_t> parse_upload_name(std::string_view name) {
  const auto stem = without_suffix(name, kUploadSuffix);
  const auto number = stem ? parse_hex_u64(*stem) : std::nullopt;
  if (!number || upload_name(*number) != name) return std::nullopt;
  return number;
}

bool is_shared_upload_name(std::string_view name) {
  if (name.empty() || name.size() > kFileNameMax) return false;
  if (name.find('/') != name.npos || name.find('\0') != name.npos) return false;
  return name.ends_with(kSharedSuffix) || name.substr(0, name.size() - 1).ends_with(kSharedSuffix);
}

}  // namespace zeolite::blobs
