// Several threads move money between accounts at random; then the sum is checked: it must not have
// changed, whatever conflicts, lost connections and takeovers there were meanwhile.
// Usage: bank_transfer [--at ADDRESS,...] [--threads N] [--accounts N] [--transfers N]
// Exit code: 0 the sum is right, 1 it is wrong or the work could not be done, 2 usage.

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "zeolite/zeolite.h"

namespace zdb = zeolite::client;

namespace {

constexpr long kOpeningBalance = 1000;

struct Arguments {
  std::string at = "127.0.0.1:8090";
  int threads = 4;
  int accounts = 20;
  int transfers = 200;  // of each thread
};

bool parse_number(const char* text, int& number) {
  const char* end = text + std::strlen(text);
  const auto [stopped, failure] = std::from_chars(text, end, number);
  return failure == std::errc{} && stopped == end && number > 0;
}

bool parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) return false;
    const char* value = argv[i + 1];
    if (name == "--at") {
      arguments.at = value;
    } else if (name == "--threads") {
      if (!parse_number(value, arguments.threads)) return false;
    } else if (name == "--accounts") {
      if (!parse_number(value, arguments.accounts)) return false;
    } else if (name == "--transfers") {
      if (!parse_number(value, arguments.transfers)) return false;
    } else {
      return false;
    }
  }
  return arguments.accounts >= 2;
}

long balance(zdb::Transaction& transaction, zdb::Oid account) {
  return std::stol(transaction.load(account).str());
}

std::vector<zdb::Oid> open_accounts(zdb::Client& client, int count) {
  std::vector<zdb::Oid> accounts;
  for (int i = 0; i < count; ++i) accounts.push_back(client.new_oid());
  zdb::Transaction transaction = client.begin();
  for (const zdb::Oid account : accounts) {
    transaction.store(account, std::to_string(kOpeningBalance));
  }
  transaction.set_description("open accounts");
  transaction.commit();
  return accounts;
}

// [transfer]
// The function may run several times: it reads everything anew and changes nothing outside.
void transfer(zdb::Client& client, zdb::Oid from, zdb::Oid to, long amount) {
  zdb::run_transaction(client, [&](zdb::Transaction& transaction) {
    const long available = balance(transaction, from);
    const long moved = std::min(amount, available);
    transaction.store(from, std::to_string(available - moved));
    transaction.store(to, std::to_string(balance(transaction, to) + moved));
  });
}
// [transfer]

// [sum]
long sum(zdb::Client& client, const std::vector<zdb::Oid>& accounts) {
  client.sync();  // see all that was committed until now
  zdb::Transaction transaction = client.begin();
  transaction.prefetch(accounts);
  long total = 0;
  for (const zdb::Oid account : accounts) total += balance(transaction, account);
  return total;
}
// [sum]

// Moves money; also looks at the sum now and then, which is right in every snapshot.
void work(zdb::Client& client, const std::vector<zdb::Oid>& accounts, int transfers, unsigned seed,
          std::atomic<int>& failures) {
  std::mt19937 random(seed);
  const auto pick = [&] { return accounts[random() % accounts.size()]; };
  const long expected = kOpeningBalance * static_cast<long>(accounts.size());
  for (int i = 0; i < transfers; ++i) {
    const zdb::Oid from = pick();
    zdb::Oid to = pick();
    while (to == from) to = pick();
    try {
      transfer(client, from, to, static_cast<long>(random() % 100));
      if (i % 16 == 0 && sum(client, accounts) != expected) throw std::runtime_error("wrong sum");
    } catch (const zdb::OutcomeUnknownError&) {
      // It happened or not; either way the sum is the same. An application that must know asks
      // client.outcome(error.commit_id()) until the answer is not "pending".
    } catch (const std::exception& error) {
      std::fprintf(stderr, "bank_transfer: %s\n", error.what());
      ++failures;
      return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "usage: bank_transfer [--at ADDRESS,...] [--threads N] [--accounts N] "
                 "[--transfers N]\n");
    return 2;
  }
  try {
    zdb::Options options;
    options.addresses = {arguments.at};
    options.label = "bank_transfer";
    zdb::Client client(options);
    const std::vector<zdb::Oid> accounts = open_accounts(client, arguments.accounts);

    std::atomic<int> failures{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < arguments.threads; ++i) {
      threads.emplace_back([&, seed = static_cast<unsigned>(i + 1)] {
        work(client, accounts, arguments.transfers, seed, failures);
      });
    }
    for (std::thread& thread : threads) thread.join();

    const long total = sum(client, accounts);
    const long expected = kOpeningBalance * arguments.accounts;
    const zdb::Stats stats = client.stats();
    std::printf("sum %ld of %ld; %llu commits, %llu conflicts, %d failed threads\n", total,
                expected, static_cast<unsigned long long>(stats.commits),
                static_cast<unsigned long long>(stats.conflicts), failures.load());
    return total == expected && failures == 0 ? 0 : 1;
  } catch (const zdb::Error& error) {
    std::fprintf(stderr, "bank_transfer: %s\n", error.what());
    return 1;
  }
}
