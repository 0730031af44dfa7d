// Ownership of OpenSSL's objects, and its error queue as an absl::Status.
#ifndef PROVHUB_COMMON_CRYPTO_OPENSSL_H_
#define PROVHUB_COMMON_CRYPTO_OPENSSL_H_

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace provhub::crypto {

template <auto Free>
struct Deleter {
    template <typename T>
    void operator()(T* object) const {
        Free(object);
    }
};

using EvpPkeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using EvpPkeyCtxPtr = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using X509Ptr = std::unique_ptr<X509, Deleter<X509_free>>;
using X509ReqPtr = std::unique_ptr<X509_REQ, Deleter<X509_REQ_free>>;
using X509NamePtr = std::unique_ptr<X509_NAME, Deleter<X509_NAME_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

// `what` and the oldest error of this thread's OpenSSL queue, which is emptied.
absl::Status OpenSslError(absl::StatusCode code, absl::string_view what);

// Takes away what is put into this thread's OpenSSL queue during its life. For calls into libraries that use OpenSSL
// themselves and don't clean up: what they leave behind would make a TLS handshake on this thread fail.
class OpenSslErrorsDropped {
 public:
    OpenSslErrorsDropped();
    OpenSslErrorsDropped(const OpenSslErrorsDropped&) = delete;
    OpenSslErrorsDropped& operator=(const OpenSslErrorsDropped&) = delete;
    ~OpenSslErrorsDropped();
};

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_OPENSSL_H_
