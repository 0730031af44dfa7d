#include "common/crypto/private_key.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cstddef>

namespace provhub::crypto {
namespace {

constexpr int kRsaBits = 2048;

}  // namespace

absl::StatusOr<EvpPkeyPtr> GenerateKey(KeyAlgorithm algorithm) {
    EvpPkeyPtr key(algorithm == KeyAlgorithm::kRsa2048 ? EVP_RSA_gen(kRsaBits) : EVP_EC_gen("P-384"));
    if (key == nullptr) {
        return OpenSslError(absl::StatusCode::kInternal, "can't generate a key");
    }
    return key;
}

absl::StatusOr<std::string> PrivateKeyPem(EVP_PKEY* key) {
    const BioPtr bio(BIO_new(BIO_s_secmem()));
    if (bio == nullptr || PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return OpenSslError(absl::StatusCode::kInternal, "can't encode the key");
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace provhub::crypto
