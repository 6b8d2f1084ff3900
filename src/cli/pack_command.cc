#include "cli/pack_command.h"

#include <ctime>
#include <string>

#include "cli/native_session.h"
#include "cli/output.h"
#include "cli/process.h"
#include "model/tid_time.h"

namespace zeolite::cli {

namespace {

// A large database takes hours; the server is watched by the connection, not by a clock.
constexpr Duration kPackTimeout = std::chrono::hours(24 * 30);
constexpr std::int64_t kMicroseconds = 1'000'000;
constexpr std::size_t kTidDigits = 16;

Result<> pack(const PackOptions& options) {
  Tid horizon = options.before;
  if (options.days) {
    const auto back = static_cast<std::int64_t>(*options.days * 86'400.0 * kMicroseconds);
    horizon = tid_from_time(WallTime{SystemClock().now().wall.unix_us - back});
  }
  ASSIGN_OR_RETURN(const auto session, NativeSession::open(options.target, {}));
  ASSIGN_OR_RETURN(
      const wire::PackReport report,
      session->ask<wire::PackReport>(wire::Pack{horizon, options.collect_garbage, options.dry_run},
                                     options.target.timeout.value_or(kPackTimeout)));
  return print(options.json ? pack_json(report, options.dry_run)
                            : pack_text(report, options.dry_run));
}

}  // namespace

Result<Tid> parse_point_in_time(std::string_view text) {
  if (text.size() == kTidDigits) {
    if (const auto tid = parse_hex_u64(text)) return Tid(*tid);
  }
  const std::string given(text);
  for (const char* format : {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                             "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"}) {
    std::tm fields{};
    const char* const end = ::strptime(given.c_str(), format, &fields);
    if (end == nullptr || *end != 0) continue;
    return tid_from_time(WallTime{std::int64_t{::timegm(&fields)} * kMicroseconds});
  }
  return make_error(ErrorCode::invalid_argument,
                    "'" + given +
                        "' is no time: expected one like 2026-11-20, 2026-11-20T14:30:00Z "
                        "(UTC), or the 16 digits of a tid");
}

ExitCode run_pack(const PackOptions& options) {
  const Result<> result = pack(options);
  return result ? ExitCode::done : report_failure("pack", result.error());
}

}  // namespace zeolite::cli
