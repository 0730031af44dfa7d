// Private keys in software; those of nodes are in their tokens.
#ifndef PROVHUB_COMMON_CRYPTO_PRIVATE_KEY_H_
#define PROVHUB_COMMON_CRYPTO_PRIVATE_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/crypto/key_algorithm.h"
#include "common/crypto/openssl.h"

namespace provhub::crypto {

absl::StatusOr<EvpPkeyPtr> GenerateKey(KeyAlgorithm algorithm);

// PKCS #8 (RFC 5958), PEM, not encrypted.
absl::StatusOr<std::string> PrivateKeyPem(EVP_PKEY* key);

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_PRIVATE_KEY_H_
