#include "storage/rocks_logger.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

namespace zeolite::storage {

namespace {

// "[db/version_set.cc:4800] text" or "[/version_set.cc:4800] text" -> "text".
std::string_view without_place(std::string_view message) {
  if (!message.starts_with('[')) return message;
  const std::size_t end = message.find(']');
  if (end == std::string_view::npos) return message;
  const std::string_view place = message.substr(1, end - 1);
  const std::size_t colon = place.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == place.size() ||
      place.find_first_not_of("0123456789", colon + 1) != std::string_view::npos) {
    return message;
  }
  message.remove_prefix(end + 1);
  message.remove_prefix(std::min(message.find_first_not_of(' '), message.size()));
  return message;
}

}  // namespace

RocksLogger::RocksLogger(StoreLogSink sink)
    : Logger(sink ? rocksdb::InfoLogLevel::WARN_LEVEL : rocksdb::InfoLogLevel::FATAL_LEVEL),
      sink_(std::move(sink)) {}

void RocksLogger::Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) {
  if (!sink_ || level < GetInfoLogLevel()) return;
  std::array<char, 1024> line{};
  const int wanted = std::vsnprintf(line.data(), line.size(), format, arguments);
  if (wanted < 0) return;
  const std::size_t size = std::min(static_cast<std::size_t>(wanted), line.size() - 1);
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
  std::replace_if(line.begin(), line.begin() + size, is_control, ' ');
  std::string_view message = without_place({line.data(), size});
  while (message.ends_with(' ')) message.remove_suffix(1);
  sink_(static_cast<int>(level), message);
}

void RocksLogger::Logv(const char* format, va_list arguments) {
  Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments);
}

}  // namespace zeolite::storage
