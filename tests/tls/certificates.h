#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "base/check.h"
#include "support/temporary_directory.h"

namespace zeolite::tls {

struct FreeOpenssl {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// A certificate with its key, in memory and in files.
struct Identity {
  std::unique_ptr<EVP_PKEY, FreeOpenssl> key;
  std::unique_ptr<X509, FreeOpenssl> certificate;
  std::filesystem::path key_file;
  std::filesystem::path certificate_file;
};

// Makes certificates, and files that go away with it.
class Certificates {
 public:
  using Days = std::chrono::duration<long, std::ratio<86400>>;
  struct Wishes {
    const Identity* issuer = nullptr;  // null: it is its own
    Days begins{-1};                   // from now
    Days ends{1};
    std::string passphrase = {};  // of the key's file; empty: not encrypted
  };

  Identity make(const std::string& name, const Wishes& wishes) const {
    Identity made;
    made.key.reset(EVP_EC_gen("P-256"));
    made.certificate.reset(X509_new());
    made.key_file = directory_ / (name + ".key");
    made.certificate_file = directory_ / (name + ".pem");
    fill(made, name, wishes);
    write(made, wishes.passphrase);
    return made;
  }
  Identity make(const std::string& name) const { return make(name, Wishes{}); }
  std::filesystem::path write_text(const std::string& name, const std::string& text) const {
    std::unique_ptr<std::FILE, FreeOpenssl> file = open(directory_ / name);
    std::fwrite(text.data(), 1, text.size(), file.get());
    return directory_ / name;
  }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_.path(); }

 private:
  static std::unique_ptr<std::FILE, FreeOpenssl> open(const std::filesystem::path& path) {
    std::unique_ptr<std::FILE, FreeOpenssl> file(std::fopen(path.c_str(), "w"));
    CHECK(file != nullptr, "a file can be made");
    return file;
  }

  static void extend(X509& certificate, X509& issuer, int what, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, FreeOpenssl> extension(
        X509V3_EXT_conf_nid(nullptr, &context, what, value));
    CHECK(extension != nullptr, "an extension can be made");
    X509_add_ext(&certificate, extension.get(), -1);
  }

  static void fill(const Identity& made, const std::string& name, const Wishes& wishes) {
    const Identity& issuer = wishes.issuer == nullptr ? made : *wishes.issuer;
    X509& certificate = *made.certificate;
    X509_set_version(&certificate, 2);  // counted from 0
    ASN1_INTEGER_set(X509_get_serialNumber(&certificate),
                     static_cast<long>(std::hash<std::string>()(name) >> 2));
    X509_gmtime_adj(X509_getm_notBefore(&certificate), wishes.begins / std::chrono::seconds(1));
    X509_gmtime_adj(X509_getm_notAfter(&certificate), wishes.ends / std::chrono::seconds(1));
    X509_set_pubkey(&certificate, made.key.get());
    X509_NAME* const subject = X509_get_subject_name(&certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(&certificate, X509_get_subject_name(issuer.certificate.get()));
    extend(certificate, *issuer.certificate, NID_subject_key_identifier, "hash");
    extend(certificate, *issuer.certificate, NID_authority_key_identifier, "keyid");
    if (wishes.issuer == nullptr) {
      extend(certificate, *issuer.certificate, NID_basic_constraints, "critical,CA:TRUE");
      extend(certificate, *issuer.certificate, NID_key_usage, "keyCertSign,digitalSignature");
    }
    CHECK(X509_sign(&certificate, issuer.key.get(), EVP_sha256()) != 0, "it can be signed");
  }

  static void write(const Identity& made, const std::string& passphrase) {
    PEM_write_X509(open(made.certificate_file).get(), made.certificate.get());
    PEM_write_PKCS8PrivateKey(open(made.key_file).get(), made.key.get(),
                              passphrase.empty() ? nullptr : EVP_aes_256_cbc(),
                              passphrase.empty() ? nullptr : passphrase.c_str(),
                              static_cast<int>(passphrase.size()), nullptr, nullptr);
  }

  testing::TemporaryDirectory directory_;
};

}  // namespace zeolite::tls
