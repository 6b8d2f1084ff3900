#include "storage/rocks_logger.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

namespace zeolite::storage {

RocksLogger::RocksLogger(StoreLogSink sink)
    : Logger(sink ? rocksdb::InfoLogLevel::WARN_LEVEL : rocksdb::InfoLogLevel::FATAL_LEVEL),
      sink_(std::move(sink)) {}

void RocksLogger::Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) {
  if (!sink_ || level < GetInfoLogLevel()) return;
  std::array<char, 1024> line{};
  const int wanted = std::vsnprintf(line.data(), line.size(), format, arguments);
  if (wanted < 0) return;
  const std::size_t size = std::min(static_cast<std::size_t>(wanted), line.size() - 1);
  sink_(static_cast<int>(level), std::string_view(line.data(), size));
}

void RocksLogger::Logv(const char* format, va_list arguments) {
  Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments);
}

}  // namespace zeolite::storage
