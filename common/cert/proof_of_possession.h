// Does a private key belong to a certificate?
#ifndef PROVHUB_COMMON_CERT_PROOF_OF_POSSESSION_H_
#define PROVHUB_COMMON_CERT_PROOF_OF_POSSESSION_H_

#include "absl/status/status.h"
#include "common/crypto/certificate.h"
#include "common/crypto/openssl.h"

namespace provhub::cert {

// Signs a random value with `key` and verifies the signature with the public key of `certificate`. Blocks on the device
// that holds the key.
//
// Errors: FailedPrecondition (the signature is another key's), Internal (the key can't sign).
absl::Status ProvePossession(EVP_PKEY* key, const crypto::Certificate& certificate);

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_PROOF_OF_POSSESSION_H_
