#include "common/cert/proof_of_possession.h"

#include <openssl/err.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/random.h"
#include "common/status/macros.h"

namespace provhub::cert {
namespace {

using DigestContext = std::unique_ptr<EVP_MD_CTX, crypto::Deleter<EVP_MD_CTX_free>>;

constexpr std::size_t kNonceBytes = 32;

const unsigned char* Bytes(absl::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

absl::StatusOr<std::string> Sign(EVP_PKEY* key, absl::string_view nonce) {
    const DigestContext context(EVP_MD_CTX_new());
    std::size_t size = 0;
    if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, Bytes(nonce), nonce.size()) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "test signature");
    }
    std::string signature(size, '\0');
    if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, Bytes(nonce),
                       nonce.size()) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "test signature");
    }
    signature.resize(size);
    return signature;
}

}  // namespace

absl::Status ProvePossession(EVP_PKEY* key, const crypto::Certificate& certificate) {
    const std::string nonce = crypto::RandomBytes(kNonceBytes);
    ASSIGN_OR_RETURN(const std::string signature, Sign(key, nonce));
    const DigestContext context(EVP_MD_CTX_new());
    if (EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, X509_get0_pubkey(certificate.get())) != 1 ||
        EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(nonce), nonce.size()) != 1) {
        ERR_clear_error();
        return absl::FailedPreconditionError(
            absl::StrCat("the key does not belong to the certificate of ", certificate.Subject()));
    }
    return absl::OkStatus();
}

}  // namespace provhub::cert
