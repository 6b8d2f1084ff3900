#include "tls/descriptor_bio.h"

#include <openssl/bio.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "base/check.h"

namespace zeolite::tls {

namespace {

struct Descriptor {
  int number = -1;
  int failure = 0;  // errno
};

Descriptor& descriptor_of(BIO* bio) { return *static_cast<Descriptor*>(BIO_get_data(bio)); }

// Takes note of a call that failed; whether it may succeed later.
bool is_only_later(Descriptor& descriptor) {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return true;
  descriptor.failure = errno;
  return false;
}

int write_bytes(BIO* bio, const char* bytes, std::size_t size, std::size_t* written) {
  Descriptor& descriptor = descriptor_of(bio);
  descriptor.failure = 0;
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(descriptor.number, bytes, size, MSG_NOSIGNAL);
  *written = sent > 0 ? static_cast<std::size_t>(sent) : 0;
  if (sent < 0 && is_only_later(descriptor)) BIO_set_retry_write(bio);
  return sent > 0 ? 1 : -1;
}

int read_bytes(BIO* bio, char* bytes, std::size_t size, std::size_t* read) {
  Descriptor& descriptor = descriptor_of(bio);
  descriptor.failure = 0;
  BIO_clear_retry_flags(bio);
  const ssize_t received = ::recv(descriptor.number, bytes, size, 0);
  *read = received > 0 ? static_cast<std::size_t>(received) : 0;
  if (received == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  if (received < 0 && is_only_later(descriptor)) BIO_set_retry_read(bio);
  return received > 0 ? 1 : static_cast<int>(received);  // 0: the end
}

long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  switch (command) {
    case BIO_CTRL_FLUSH:  // nothing is held back
      return 1;
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default:
      return 0;
  }
}

int destroy(BIO* bio) {
  const std::unique_ptr<Descriptor> owned(&descriptor_of(bio));
  return 1;
}

struct FreeMethod {
  void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
};
using Method = std::unique_ptr<BIO_METHOD, FreeMethod>;

Method make_method() {
  Method method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "descriptor"));
  CHECK(method != nullptr, "there is memory");
  BIO_meth_set_write_ex(method.get(), write_bytes);
  BIO_meth_set_read_ex(method.get(), read_bytes);
  BIO_meth_set_ctrl(method.get(), control);
  BIO_meth_set_destroy(method.get(), destroy);
  return method;
}

}  // namespace

BIO* new_descriptor_bio(int descriptor) {
  static const Method method = make_method();
  BIO* const bio = BIO_new(method.get());
  CHECK(bio != nullptr, "there is memory");
  BIO_set_data(bio, std::make_unique<Descriptor>(Descriptor{.number = descriptor}).release());
  BIO_set_init(bio, 1);
  return bio;
}

int last_failure(BIO* bio) { return descriptor_of(bio).failure; }

}  // namespace zeolite::tls
