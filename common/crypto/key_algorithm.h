// The kinds of key pair that a node makes.
#ifndef PROVHUB_COMMON_CRYPTO_KEY_ALGORITHM_H_
#define PROVHUB_COMMON_CRYPTO_KEY_ALGORITHM_H_

namespace provhub::crypto {

enum class KeyAlgorithm {
    kRsa2048,
    kEcP384,
};

}  // namespace provhub::crypto

#endif  // PROVHUB_COMMON_CRYPTO_KEY_ALGORITHM_H_
