#pragma once

#include <openssl/ssl.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "tls/certificates.h"

namespace zeolite::tls {

// A TLS client, spoken for by the test's own thread. All reads wait. What it sends can be held back
// and cut into pieces: OpenSSL writes into memory, and this to the socket.
class TlsClient {
 public:
  struct Wishes {
    const Identity* identity = nullptr;  // what the client shows; null: nothing
    int version_max = TLS1_3_VERSION;    // and those before
    std::size_t piece = SIZE_MAX;        // bytes that are sent at a time
  };

  TlsClient(boost::asio::ip::tcp::socket socket, const Wishes& wishes)
      : socket_(std::move(socket)), wishes_(wishes), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context_.get(), wishes.version_max);
    if (wishes.version_max < TLS1_2_VERSION) {
      SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
      SSL_CTX_set_cipher_list(context_.get(), "ALL:@SECLEVEL=0");
    }
    if (wishes.identity != nullptr) {
      SSL_CTX_use_certificate(context_.get(), wishes.identity->certificate.get());
      SSL_CTX_use_PrivateKey(context_.get(), wishes.identity->key.get());
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
  }
  explicit TlsClient(boost::asio::ip::tcp::socket socket)
      : TlsClient(std::move(socket), Wishes{}) {}

  // The handshake, as far as the client can tell: the server may still refuse its certificate.
  bool connect() {
    return until_done([this] { return SSL_connect(ssl_.get()); });
  }
  // The same, but what the client says last is held back.
  bool connect_holding_back() {
    hold_back_last_ = true;
    return connect();
  }
  bool send(ByteView bytes) {
    return until_done(
        [&] { return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())); });
  }
  // Leaves out the last byte of what was encrypted for `bytes`.
  void send_all_but_one_byte(ByteView bytes) {
    SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    std::string encrypted = take_encrypted();
    encrypted.pop_back();
    send_raw(encrypted);
  }
  // Exactly so many bytes, or less when the connection ends before.
  std::string receive(std::size_t size) {
    std::string got(size, '\0');
    std::size_t received = 0;
    while (received < size) {
      int n = 0;
      const bool done = until_done([&] {
        n = SSL_read(ssl_.get(), got.data() + received, static_cast<int>(size - received));
        return n;
      });
      if (!done) break;
      received += static_cast<std::size_t>(n);
    }
    got.resize(received);
    return got;
  }
  // Whether the server says goodbye now, and then closes.
  bool hears_goodbye() {
    char byte = 0;
    const bool more = until_done([&] { return SSL_read(ssl_.get(), &byte, 1); });
    return !more && (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  void say_goodbye() {
    SSL_shutdown(ssl_.get());
    send_raw(take_encrypted());
  }
  void send_raw(ByteView bytes) {
    boost::system::error_code ignored;  // the other side may have hung up
    while (!bytes.empty() && !ignored) {
      const ByteView piece = bytes.substr(0, wishes_.piece);
      boost::asio::write(socket_, boost::asio::buffer(piece.data(), piece.size()), ignored);
      bytes.remove_prefix(piece.size());
    }
  }
  boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  // False: the connection has ended, or OpenSSL is displeased.
  template <typename Call>
  bool until_done(Call call) {
    while (true) {
      const int result = call();
      if (result > 0 && std::exchange(hold_back_last_, false)) return true;
      send_raw(take_encrypted());
      if (result > 0) return true;
      if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ || !read_more()) return false;
    }
  }
  std::string take_encrypted() {
    BIO* const out = SSL_get_wbio(ssl_.get());
    std::string bytes(BIO_ctrl_pending(out), '\0');
    if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  bool read_more() {
    std::string buffer(64 * 1024, '\0');
    boost::system::error_code error;
    const std::size_t n =
        socket_.read_some(boost::asio::buffer(buffer.data(), buffer.size()), error);
    if (error) return false;
    BIO_write(SSL_get_rbio(ssl_.get()), buffer.data(), static_cast<int>(n));
    return true;
  }

  boost::asio::ip::tcp::socket socket_;
  Wishes wishes_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
  bool hold_back_last_ = false;
};

}  // namespace zeolite::tls
