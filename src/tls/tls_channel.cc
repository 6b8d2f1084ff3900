#include "tls/tls_channel.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <cstring>
#include <string>

#include "base/check.h"
#include "tls/descriptor_bio.h"

namespace zeolite::tls {

namespace {

// OpenSSL's own words, for those who know them.
std::string reason_text(unsigned long error) {
  const char* const text = ERR_reason_error_string(error);
  return text == nullptr ? "error " + std::to_string(error) : text;
}

// What an error means for who runs the server.
std::string explain(unsigned long error, const SSL& ssl) {
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return reason_text(error);
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_WRONG_SSL_VERSION:
      return "the client does not speak TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return "the client does not speak TLS, or only versions before 1.2";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the client has shown no certificate, which this server asks for";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return std::string("the client's certificate is refused: ") +
             X509_verify_cert_error_string(SSL_get_verify_result(&ssl));
    default:
      break;
  }
  // The peer's alerts have the numbers from here on.
  if (reason >= SSL_AD_REASON_OFFSET) return "the client says: " + reason_text(error);
  return reason_text(error);
}

}  // namespace

TlsChannel::TlsChannel(SSL_CTX& context, int descriptor) : ssl_(SSL_new(&context)) {
  CHECK(ssl_ != nullptr, "there is memory");
  BIO* const bio = new_descriptor_bio(descriptor);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

TlsChannel::~TlsChannel() = default;

void TlsChannel::Free::operator()(SSL* ssl) const { SSL_free(ssl); }

net::SecureChannel::Next TlsChannel::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::open;
    return Next::go_on;
  }
  const Next next = next_after(result);
  return next == Next::end ? end() : next;
}

net::SecureChannel::Step TlsChannel::read(char* to, std::size_t room) {
  has_more_ = false;
  if (end_is_near_) return {.next = end()};
  Step step;
  while (step.bytes < room) {
    ERR_clear_error();
    std::size_t received = 0;
    const int result = SSL_read_ex(ssl_.get(), to + step.bytes, room - step.bytes, &received);
    step.bytes += received;
    if (result != 1) {
      step.next = next_after(result);
      break;
    }
    if (SSL_has_pending(ssl_.get()) == 0) {
      step.next = Next::readable;  // or an attempt would say so
      break;
    }
  }
  if (step.next == Next::end) {
    if (step.bytes == 0) return {.next = end()};
    end_is_near_ = true;
    step.next = Next::go_on;
  }
  has_more_ = step.next == Next::go_on;
  return step;
}

net::SecureChannel::Step TlsChannel::write(ByteView bytes) {
  Step step;
  ERR_clear_error();
  const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &step.bytes);
  if (result == 1) return step;
  step.next = next_after(result);
  if (step.next == Next::end) step.next = end();
  return step;
}

bool TlsChannel::has_unfinished() const { return SSL_has_pending(ssl_.get()) != 0; }

void TlsChannel::say_goodbye() {
  if (state_ == State::shaking_hands || broken_) return;
  ERR_clear_error();
  (void)SSL_shutdown(ssl_.get());
}

net::SecureChannel::Next TlsChannel::end() {
  state_ = State::ended;
  return Next::end;
}

// What to do about a call of OpenSSL that did not succeed; for `end`, sets why.
net::SecureChannel::Next TlsChannel::next_after(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Next::readable;
    case SSL_ERROR_WANT_WRITE:
      return Next::writable;
    case SSL_ERROR_ZERO_RETURN:
      return Next::end;  // as end_reason_ says
    default:
      broken_ = true;
      end_reason_ = reason_of_failure();
      return Next::end;
  }
}

Error TlsChannel::reason_of_failure() const {
  const int failure = last_failure(SSL_get_rbio(ssl_.get()));
  if (failure != 0) return {ErrorCode::unavailable, std::strerror(failure)};
  const unsigned long error = ERR_peek_error();
  // A message's length says when it is whole: an end without TLS's own goodbye is one like others.
  const bool just_left = ERR_GET_LIB(error) == ERR_LIB_SSL &&
                         ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  if (error == 0 || just_left) return end_reason_;
  return {ErrorCode::protocol_error, "TLS: " + explain(error, *ssl_)};
}

}  // namespace zeolite::tls
