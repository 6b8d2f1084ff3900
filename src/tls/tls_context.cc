#include "tls/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "base/check.h"
#include "tls/tls_channel.h"

namespace zeolite::tls {

namespace {

using std::filesystem::path;

std::unexpected<Error> mistake(std::string detail) {
  ERR_clear_error();
  return make_error(ErrorCode::invalid_argument, std::move(detail));
}

// In OpenSSL's words, what it did not like just now.
std::string last_reason() {
  const unsigned long error = ERR_peek_last_error();
  const char* const text = ERR_reason_error_string(error);
  return text == nullptr ? "error " + std::to_string(error) : text;
}

Result<> check_readable(const path& file, const std::string& what) {
  std::ifstream stream(file, std::ios::binary);
  if (stream && stream.peek() != std::ifstream::traits_type::eof()) return {};
  const std::string why = stream.is_open() ? "it is empty, or no file" : std::strerror(errno);
  return mistake("cannot read " + what + " " + file.string() + ": " + why);
}

Result<> take_certificate(SSL_CTX& context, const path& file) {
  RETURN_IF_ERROR(check_readable(file, "the TLS certificate"));
  if (SSL_CTX_use_certificate_chain_file(&context, file.c_str()) == 1) return {};
  return mistake(file.string() +
                 " is not a TLS certificate in PEM form, or cannot be used: " + last_reason());
}

Result<std::string> read_password(const path& file) {
  RETURN_IF_ERROR(check_readable(file, "the passphrase of the TLS key"));
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

// What OpenSSL asks for the passphrase of a key, instead of asking whoever is at the terminal.
struct Passphrase {
  std::optional<std::string> text;
  bool asked = false;

  static int answer(char* to, int room, int /*writing*/, void* self) {
    auto& passphrase = *static_cast<Passphrase*>(self);
    passphrase.asked = true;
    if (!passphrase.text || passphrase.text->size() > static_cast<std::size_t>(room)) return -1;
    std::memcpy(to, passphrase.text->data(), passphrase.text->size());
    return static_cast<int>(passphrase.text->size());
  }
};

std::unexpected<Error> key_mistake(const TlsFiles& files, const path& key, bool encrypted) {
  if (!encrypted) {
    return mistake("there is no private key in PEM form that can be used in " + key.string() +
                   ": " + last_reason() +
                   (files.key.empty() ? "; the key is looked for in the certificate's file when no "
                                        "other is named"
                                      : ""));
  }
  if (files.key_password.empty()) {
    return mistake("the TLS key " + key.string() +
                   " is encrypted; name a file with its passphrase, or decrypt it: openssl pkey "
                   "-in KEY -out NEW");
  }
  return mistake("the passphrase in " + files.key_password.string() +
                 " does not open the TLS key " + key.string());
}

Result<> take_key(SSL_CTX& context, const TlsFiles& files) {
  const path& key = files.key.empty() ? files.certificate : files.key;
  RETURN_IF_ERROR(check_readable(key, "the TLS key"));
  Passphrase passphrase;
  if (!files.key_password.empty()) {
    ASSIGN_OR_RETURN(passphrase.text, read_password(files.key_password));
  }
  SSL_CTX_set_default_passwd_cb(&context, &Passphrase::answer);
  SSL_CTX_set_default_passwd_cb_userdata(&context, &passphrase);
  const int taken = SSL_CTX_use_PrivateKey_file(&context, key.c_str(), SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb(&context, nullptr);
  SSL_CTX_set_default_passwd_cb_userdata(&context, nullptr);
  // It is compared with the certificate in the same step.
  const bool foreign = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_X509 &&
                       (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
                        ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH);
  if (taken != 1 && !foreign) return key_mistake(files, key, passphrase.asked);
  if (taken == 1 && SSL_CTX_check_private_key(&context) == 1) return {};
  return mistake("the TLS key " + key.string() + " does not belong to the certificate " +
                 files.certificate.string());
}

void set_flags(SSL_CTX& context) {
  X509_STORE* const store = SSL_CTX_get_cert_store(&context);
  X509_STORE_set_flags(store, X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN);
  // A list in the file is there to be obeyed.
  const STACK_OF(X509_OBJECT)* const all = X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(all); ++i) {
    if (X509_OBJECT_get_type(sk_X509_OBJECT_value(all, i)) == X509_LU_CRL) {
      X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
  }
}

Result<> take_client_ca(SSL_CTX& context, const path& ca) {
  std::error_code ignored;
  if (std::filesystem::is_directory(ca, ignored)) {
    if (SSL_CTX_load_verify_dir(&context, ca.c_str()) != 1) {
      return mistake("cannot use the directory of client authorities " + ca.string() + ": " +
                     last_reason());
    }
  } else {
    RETURN_IF_ERROR(check_readable(ca, "the client authorities"));
    if (SSL_CTX_load_verify_file(&context, ca.c_str()) != 1) {
      return mistake(ca.string() + " holds no certificates in PEM form: " + last_reason());
    }
    // So that a client with several certificates knows which one is meant.
    SSL_CTX_set_client_CA_list(&context, SSL_load_client_CA_file(ca.c_str()));
  }
  set_flags(context);
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return {};
}

// What displeases clients, or nothing.
std::string complaint_about(const X509& certificate) {
  const ASN1_TIME* const from = X509_get0_notBefore(&certificate);
  const ASN1_TIME* const to = X509_get0_notAfter(&certificate);
  if (X509_cmp_current_time(to) < 0) return "has expired; clients will refuse it: renew it";
  if (X509_cmp_current_time(from) > 0) {
    return "is not valid yet; clients will refuse it: is the clock right?";
  }
  return {};
}

void set_rules(SSL_CTX& context) {
  SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
  SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Connections live for days: there is nothing to be gained by resuming one's session.
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(&context, 0);
  // The output is offered again from where it is by then, with what was added behind it.
  SSL_CTX_set_mode(&context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
  // One system call reads a record, not one its length and one the rest.
  SSL_CTX_set_read_ahead(&context, 1);
}

}  // namespace

void TlsContext::Free::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

Result<std::unique_ptr<TlsContext>> TlsContext::load(const TlsFiles& files,
                                                     const std::function<void(std::string)>& warn) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_server_method()));
  if (!context) return mistake("OpenSSL cannot be used: " + last_reason());
  set_rules(*context);
  RETURN_IF_ERROR(take_certificate(*context, files.certificate));
  RETURN_IF_ERROR(take_key(*context, files));
  if (!files.client_ca.empty()) RETURN_IF_ERROR(take_client_ca(*context, files.client_ca));
  const std::string complaint = complaint_about(*SSL_CTX_get0_certificate(context.get()));
  if (!complaint.empty()) {
    warn("the TLS certificate " + files.certificate.string() + " " + complaint);
  }
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(context)));
}

std::unique_ptr<net::SecureChannel> TlsContext::accept(int descriptor) const {
  return std::make_unique<TlsChannel>(*context_, descriptor);
}

}  // namespace zeolite::tls
