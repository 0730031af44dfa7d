// Randomness from OpenSSL's generator.
#ifndef PROVHUB_COMMON_CRYPTO_RANDOM_H_
#define PROVHUB_COMMON_CRYPTO_RANDOM_H_

#include <cstddef>
#include <string>

#include "common/crypto/secret.h"

namespace provhub::crypto {

// `size` bytes. Ends the process where the generator fails: nothing safe can be done without it.
std::string RandomBytes(std::size_t size);

// 24 characters of lower-case hexadecimal, 96 bits: a PIN that every PKCS #11 module takes (4 to 31 characters is what
// the stricter ones allow).
Secret RandomPin();

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_RANDOM_H_
