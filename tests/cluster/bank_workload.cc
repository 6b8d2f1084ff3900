#include <charconv>
#include <stdexcept>
#include <string_view>

#include "cluster/workload.h"

namespace zeolite::cluster_test {

using client::Oid;

namespace {

constexpr std::uint64_t kAccounts = 8;
constexpr std::int64_t kOpeningBalance = 100;
constexpr std::uint64_t kTransferMax = 20;

std::vector<Oid> accounts() { return workload_oids(1, 0, kAccounts); }

// The balance, and who left it so: no two revisions are equal.
std::string account(std::int64_t balance, const std::string& id) {
  return std::to_string(balance) + " " + id;
}

std::int64_t balance_of(const std::optional<std::string>& value) {
  if (!value) throw MissingObjects("there are no accounts: run it with --init first");
  std::int64_t balance = 0;
  const char* end = value->data() + value->size();
  if (std::from_chars(value->data(), end, balance).ec != std::errc{}) {
    throw std::runtime_error("'" + *value + "' is no account");
  }
  return balance;
}

class BankWorkload final : public Workload {
 public:
  bool make_objects(Participant& participant) const override {
    const auto open = [](Attempt& attempt) {
      const std::vector<Oid> oids = accounts();
      if (attempt.read(oids).front()) return;
      for (const Oid oid : oids) attempt.write(oid, account(kOpeningBalance, attempt.id()));
    };
    return participant.act("open", Participant::Server::primary, open) == Operation::End::ok;
  }

  void step(Participant& participant) const override {
    if (participant.chance(40)) {
      participant.act("sum", participant.reads(),
                      [](Attempt& attempt) { static_cast<void>(attempt.read(accounts())); });
      return;
    }
    transfer(participant);
  }

 private:
  static void transfer(Participant& participant) {
    // Three different accounts; the third is looked at, and sometimes has to stay as it is.
    std::vector<Oid> oids = accounts();
    for (std::size_t i = 0; i < 3; ++i) {
      std::swap(oids[i], oids[i + participant.random(kAccounts - i)]);
    }
    oids.resize(3);
    const auto amount = static_cast<std::int64_t>(1 + participant.random(kTransferMax));
    const bool checked = participant.chance(30);
    participant.act("transfer", Participant::Server::primary, [&](Attempt& attempt) {
      const std::vector<std::optional<std::string>> values = attempt.read(oids);
      attempt.write(oids[0], account(balance_of(values[0]) - amount, attempt.id()));
      attempt.write(oids[1], account(balance_of(values[1]) + amount, attempt.id()));
      if (checked) attempt.read_current(oids[2]);
    });
  }
};

}  // namespace

std::unique_ptr<Workload> bank_workload() { return std::make_unique<BankWorkload>(); }

}  // namespace zeolite::cluster_test
