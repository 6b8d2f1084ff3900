#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "net/secure_channel.h"

struct ssl_ctx_st;

namespace zeolite::tls {

// What a server needs to speak TLS; all files in PEM form.
struct TlsFiles {
  std::filesystem::path certificate;   // then those that lead from it to a root, if any
  std::filesystem::path key;           // empty: it is in the certificate's file
  std::filesystem::path key_password;  // its first line is the key's passphrase; empty: has none
  // Certificates of whom clients must have theirs from, or their own; a file, or a directory as
  // `openssl rehash` makes it. Revocation lists in a file are obeyed. Empty: clients need none.
  std::filesystem::path client_ca;
};

// The server's certificate and rules, for all its connections: TLS 1.2 and newer, neither
// renegotiation nor resumption. Client certificates are checked as strictly as ZEO's own server
// does (RFC 5280).
// Thread: load anywhere, then any. Owner: the server; channels may outlive it.
class TlsContext final : public net::SecureChannels {
 public:
  // Reads the files, once. Error invalid_argument with the file and what to do. `warn` is told of
  // what will displease clients: a certificate that has expired or is not valid yet.
  [[nodiscard]] static Result<std::unique_ptr<TlsContext>> load(
      const TlsFiles& files, const std::function<void(std::string)>& warn);

  [[nodiscard]] std::unique_ptr<net::SecureChannel> accept(int descriptor) const override;

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  using Context = std::unique_ptr<ssl_ctx_st, Free>;

  explicit TlsContext(Context context) : context_(std::move(context)) {}

  Context context_;
};

}  // namespace zeolite::tls
