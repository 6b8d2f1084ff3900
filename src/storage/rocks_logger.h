#pragma once

#include <rocksdb/env.h>

#include "storage/rocks_object_store.h"

namespace zeolite::storage {

// Hands RocksDB's own messages to the store's log sink, each as one line and without the place in
// RocksDB's source that it comes from. RocksDB's file logger is never used: on a
// full disk it aborts the process. Thread: any.
class RocksLogger final : public rocksdb::Logger {
 public:
  // `sink` may be empty: messages are dropped.
  explicit RocksLogger(StoreLogSink sink);

  using rocksdb::Logger::Logv;
  void Logv(rocksdb::InfoLogLevel level, const char* format, va_list arguments) override;
  void Logv(const char* format, va_list arguments) override;

 private:
  const StoreLogSink sink_;
};

}  // namespace zeolite::storage
