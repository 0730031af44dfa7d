// SHA-256 (FIPS 180-4).
#ifndef PROVHUB_COMMON_CRYPTO_SHA256_H_
#define PROVHUB_COMMON_CRYPTO_SHA256_H_

#include <string>

#include "absl/strings/string_view.h"

namespace provhub::crypto {

// Of any bytes: 64 lower-case hexadecimal digits.
std::string Sha256Hex(absl::string_view bytes);

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_SHA256_H_
