// Makes the certificates of the development CA.
#ifndef PROVHUB_TOOLS_PROVCTL_ISSUE_CERTIFICATE_H_
#define PROVHUB_TOOLS_PROVCTL_ISSUE_CERTIFICATE_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/crypto/certificate.h"
#include "common/crypto/openssl.h"

namespace provhub::provctl {

struct Validity {
    absl::Time not_before;
    absl::Time not_after;
};

// Who signs. Both MUST outlive the call.
struct Issuer {
    const crypto::Certificate& certificate;
    EVP_PKEY* key;
};

// Every certificate made here has a random serial number of 128 bits, a subject key identifier, an authority key
// identifier and a critical key usage (RFC 5280 §4.2.1).

// Self-signed; may issue CAs.
absl::StatusOr<crypto::Certificate> IssueRoot(EVP_PKEY* key, absl::string_view common_name, const Validity& validity);

// A CA that may issue leaves only (pathLenConstraint 0).
absl::StatusOr<crypto::Certificate> IssueIntermediate(EVP_PKEY* key, absl::string_view common_name,
                                                      const Issuer& issuer, const Validity& validity);

// A leaf for `csr_pem` (PKCS #10), whose signature must verify with its own key. Common name, extended key usage and
// subject alternative names are those of the request, whatever else it asks for is left out.
//
// Errors: InvalidArgument (not a request, bad signature, no usable common name, RSA below 2048 or EC below 256 bits).
absl::StatusOr<crypto::Certificate> IssueLeaf(absl::string_view csr_pem, const Issuer& issuer,
                                              const Validity& validity);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_ISSUE_CERTIFICATE_H_
