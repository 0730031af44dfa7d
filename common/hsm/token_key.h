// OpenSSL keys whose private half stays where it is.
#ifndef PROVHUB_COMMON_HSM_TOKEN_KEY_H_
#define PROVHUB_COMMON_HSM_TOKEN_KEY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/crypto/openssl.h"

namespace provhub::hsm {

enum class SignScheme {
    // CKM_RSA_PKCS: the data carries its DigestInfo already.
    kRsaPkcs1,
    // CKM_RSA_X_509: the data is padded already (PSS) and as long as the modulus.
    kRsaRaw,
    // CKM_ECDSA: the data is the digest, the signature is r || s, each as long as the order.
    kEcdsa,
};

// Signs with one private key. Thread-safe.
class TokenSigner {
 public:
    virtual ~TokenSigner() = default;

    virtual absl::StatusOr<std::string> Sign(SignScheme scheme, absl::string_view data) = 0;
};

// A key pair for OpenSSL with the public half of `public_key` (RSA or EC), every signature of which is made by
// `signer`. The engine that it stands for is a method table of the key itself: no default of OpenSSL is changed. An
// error of the signer is in OpenSSL's error queue when signing fails.
absl::StatusOr<crypto::EvpPkeyPtr> MakeTokenKey(EVP_PKEY* public_key, std::shared_ptr<TokenSigner> signer);

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_TOKEN_KEY_H_
