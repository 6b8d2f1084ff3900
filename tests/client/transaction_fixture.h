#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "client/fake_client.h"
#include "zeolite/client.h"

namespace zeolite::client::testing {

// A client connected to a server in memory that holds objects 1 ("one") and 2 ("two").
class TransactionTest : public ::testing::Test {
 protected:
  TransactionTest() {
    server().put(::zeolite::Oid(1), "one");
    server().put(::zeolite::Oid(2), "two");
    core_->connect();
  }
  client_core::testing::FakeServer& server() { return core_->server; }
  [[nodiscard]] std::string stored(std::uint64_t oid) {
    return server().current(::zeolite::Oid(oid)).value_or("(none)");
  }

  std::shared_ptr<client_core::testing::FakeClient> core_ =
      std::make_shared<client_core::testing::FakeClient>();
  Client client_ = client_core::ClientAccess::make(core_);
};

}  // namespace zeolite::client::testing
