// Fingerprints by which people and configurations name one certificate.
#ifndef PROVHUB_COMMON_CRYPTO_FINGERPRINT_H_
#define PROVHUB_COMMON_CRYPTO_FINGERPRINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/certificate.h"

namespace provhub::crypto {

// SHA-256 of the certificate's DER: 64 lower-case hexadecimal digits.
std::string Fingerprint(const Certificate& certificate);

// The form of Fingerprint from what people type: any case, colons between the bytes allowed, "SHA256:" before it
// allowed. InvalidArgument for anything else.
absl::StatusOr<std::string> ParseFingerprint(absl::string_view text);

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_FINGERPRINT_H_
