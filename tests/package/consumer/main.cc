// Uses the client library as an application does. No server runs: what counts is that it links, and
// that the failure is the typed one.

#include <chrono>
#include <cstdio>

#include "zeolite/zeolite.h"

int main() {
  using namespace std::chrono_literals;
  zeolite::client::Options options;
  options.addresses = {"127.0.0.1:1"};
  options.call_timeout = 200ms;
  try {
    zeolite::client::Client client(options);
    client.wait_connected();
  } catch (const zeolite::client::DisconnectedError& error) {
    std::printf("%s\n", error.what());
    return error.retryable() ? 0 : 1;
  }
  return 1;
}
