#pragma once

struct bio_st;

namespace zeolite::tls {

// What OpenSSL reads and writes a socket through. Its own would raise SIGPIPE where the peer is
// gone. Owner: the caller (BIO_free, or who it is given to); the descriptor is not closed with it.
[[nodiscard]] bio_st* new_descriptor_bio(int descriptor);

// Why the last call of the BIO failed, as errno has it; 0: it did not, or the peer closed.
[[nodiscard]] int last_failure(bio_st* bio);

}  // namespace zeolite::tls
