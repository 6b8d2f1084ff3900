#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "replication/dcs.h"

// The requests of replication/dcs.h in the JSON of etcd's gateway (/v3, etcd 3.4 and later), and
// its answers. No I/O, no state.
//
// An answer is believed only if it has exactly the shape that the request calls for. Anything else,
// be it a proxy's page, is an error and says nothing about whether the request was carried out.
namespace zeolite::etcd {

// To be posted as application/json.
struct HttpCall {
  std::string path;
  std::string body;
};

// "/zeolite/NAME/", what all keys of the cluster begin with. Error invalid_argument: `cluster_name`
// is empty, longer than 64, or has other characters than letters, digits, '-', '_' and '.'.
[[nodiscard]] Result<std::string> key_prefix(std::string_view cluster_name);

// `prefix` from key_prefix(). Guards of revision 0 are a bug: they hold when nobody leads.
[[nodiscard]] HttpCall encode(const replication::dcs::Request& request, std::string_view prefix);

// What came back. Errors: not_found: the lease that a key was to live by is gone, nothing was
// changed; all others (protocol_error, unavailable, too_new): it is not known what happened.
[[nodiscard]] Result<replication::dcs::Answer> decode(const replication::dcs::Request& request,
                                                      unsigned http_status, std::string_view body);

// Whether the request may be sent again when it is not known what became of it. Not those that
// change what they are guarded by: the second time they would fail because of the first.
[[nodiscard]] bool may_repeat(const replication::dcs::Request& request);

}  // namespace zeolite::etcd
