// Certificate signing requests (PKCS #10, RFC 2986) and self-signed certificates.
#ifndef PROVHUB_COMMON_CRYPTO_CSR_H_
#define PROVHUB_COMMON_CRYPTO_CSR_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/certificate.h"
#include "common/crypto/openssl.h"

namespace provhub::crypto {

enum class ExtendedKeyUsage { kClientAuth, kServerAuth };

struct CertificateRequest {
    // Passed ValidateCommonName.
    std::string common_name;
    std::vector<ExtendedKeyUsage> extended_key_usage;
    // An IP address, a URI (with a scheme), or else a DNS name (RFC 5280 §4.2.1.6).
    std::vector<std::string> alternative_names;
};

// At most 64 characters of valid UTF-8 (ub-common-name, RFC 5280 appendix A.1), at least one, no control characters, no
// space at either end, and none of the characters that separate the parts of a distinguished name: , + = " \ < > ; / #
absl::Status ValidateCommonName(absl::string_view common_name);

// Signed with `key`, which may live in a token; SHA-256 for RSA, SHA-384 for P-384. PEM.
absl::StatusOr<std::string> CreateCsr(EVP_PKEY* key, const CertificateRequest& request);

// The URIs among the alternative names that a request asks for (PEM), after its signature has been verified with its own
// key (proof of possession, RFC 2986 §4.2).
//
// Errors: InvalidArgument (not a request, bad signature, unreadable names, over 64 KiB).
absl::StatusOr<std::vector<std::string>> VerifiedUrisOfCsr(absl::string_view pem);

// A random positive serial number of 128 bits; not a CA.
absl::StatusOr<Certificate> CreateSelfSigned(EVP_PKEY* key, const CertificateRequest& request, absl::Time not_before,
                                             absl::Time not_after);

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_CSR_H_
