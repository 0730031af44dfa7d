// X.509 certificates and the chains that they form (RFC 5280).
#ifndef PROVHUB_COMMON_CRYPTO_CERTIFICATE_H_
#define PROVHUB_COMMON_CRYPTO_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/openssl.h"

namespace provhub::crypto {

// One certificate, immutable; copies share it.
class Certificate {
 public:
    static absl::StatusOr<Certificate> FromDer(absl::string_view der);
    // Takes a reference of its own.
    explicit Certificate(X509* x509);

    std::string Der() const;
    std::string Pem() const;
    // DER of the names.
    std::string SubjectDer() const;
    std::string IssuerDer() const;
    // RFC 4514.
    std::string Subject() const;
    std::string Issuer() const;
    // Upper-case hexadecimal without separators, "00" for zero, no sign.
    std::string SerialHex() const;
    // DER of the SubjectPublicKeyInfo.
    std::string PublicKeyDer() const;
    absl::Time not_before() const;
    absl::Time not_after() const;
    // Issuer equals subject and the signature verifies with its own key.
    bool IsSelfSigned() const;

    X509* get() const { return x509_.get(); }

 private:
    std::shared_ptr<X509> x509_;
};

// Every certificate of `pem`, in its order. Text between the blocks is skipped (RFC 7468 §2); any other kind of block,
// an unreadable certificate, more than 16 certificates, more than 256 KiB or none at all: InvalidArgument.
absl::StatusOr<std::vector<Certificate>> ParsePemCertificates(absl::string_view pem);

// A path that verified.
struct Chain {
    Certificate leaf;
    // From the leaf's issuer upwards, without the trust anchor where that is self-signed.
    std::vector<Certificate> intermediates;
};

// Finds the path from `leaf` to one of `anchors` through `others` (in any order, may contain the leaf and the anchors)
// and verifies it at `now`: signatures, validity, basic constraints, key usage (RFC 5280 §6.1).
//
// Errors: FailedPrecondition (leaf or an issuer expired or not yet valid), InvalidArgument (anything else), each saying
// which certificate.
absl::StatusOr<Chain> VerifyChain(const Certificate& leaf, const std::vector<Certificate>& others,
                                  const std::vector<Certificate>& anchors, absl::Time now);

// DER of the SubjectPublicKeyInfo of `key`, to be compared with Certificate::PublicKeyDer.
absl::StatusOr<std::string> PublicKeyDer(EVP_PKEY* key);

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_CERTIFICATE_H_
