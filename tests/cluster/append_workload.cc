#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "cluster/workload.h"

namespace zeolite::cluster_test {

using client::Oid;

namespace {

constexpr std::uint64_t kLists = 6;         // in use at one time
constexpr std::size_t kListLengthMax = 24;  // a longer one is left behind, or records would grow

std::size_t length(const std::optional<std::string>& list) {
  if (!list || list->empty()) return 0;
  return 1 + static_cast<std::size_t>(std::count(list->begin(), list->end(), ' '));
}

class AppendWorkload final : public Workload {
 public:
  bool make_objects(Participant& participant) const override {
    const auto make = [](Attempt& attempt) {
      const std::vector<Oid> lists = workload_oids(2, 0, kLists);
      if (attempt.read(lists).front()) return;
      for (const Oid list : lists) attempt.write(list, "");
    };
    return participant.act("open", Participant::Server::primary, make) == Operation::End::ok;
  }

  void step(Participant& participant) const override {
    const std::uint64_t generation = generation_;
    std::vector<Oid> lists = workload_oids(2, generation * kLists, kLists);
    const std::size_t count = 2 + participant.random(3);
    for (std::size_t i = 0; i < count; ++i) {
      std::swap(lists[i], lists[i + participant.random(kLists - i)]);
    }
    lists.resize(count);
    if (participant.chance(30)) {
      participant.act("read", participant.reads(),
                      [&](Attempt& attempt) { static_cast<void>(attempt.read(lists)); });
      return;
    }
    append(participant, generation, lists);
  }

 private:
  void append(Participant& participant, std::uint64_t generation,
              const std::vector<Oid>& lists) const {
    const std::size_t appended = 1 + participant.random(2);
    const bool twice = participant.chance(15);
    const bool checked = participant.chance(50);
    participant.act("append", Participant::Server::primary, [&](Attempt& attempt) {
      const std::vector<std::optional<std::string>> values = attempt.read(lists);
      for (std::size_t i = 0; i < lists.size(); ++i) {
        if (i >= appended) {
          if (checked) attempt.read_current(lists[i]);
          continue;
        }
        // The next lists need not be made: one that is not there is empty.
        std::uint64_t expected = generation;
        if (length(values[i]) >= kListLengthMax) {
          generation_.compare_exchange_strong(expected, generation + 1);
        }
        std::string value = values[i].value_or("");
        std::vector<std::uint64_t> elements;
        for (int n = 0; n < (twice && i == 0 ? 2 : 1); ++n) {
          elements.push_back(next_element());
          value += (value.empty() ? "" : " ") + std::to_string(elements.back());
        }
        attempt.write(lists[i], std::move(value));
        attempt.note_appended(lists[i], std::move(elements));
      }
    });
  }

  [[nodiscard]] std::uint64_t next_element() const { return process_ + next_++; }

  // Different in every process; numbers of JSON are exact below 2^53.
  const std::uint64_t process_ = (std::uint64_t{std::random_device{}()} & 0xFFFFFF) << 20;
  mutable std::atomic<std::uint64_t> next_{0};
  mutable std::atomic<std::uint64_t> generation_{0};
};

}  // namespace

std::unique_ptr<Workload> append_workload() { return std::make_unique<AppendWorkload>(); }

}  // namespace zeolite::cluster_test
