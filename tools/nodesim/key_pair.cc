#include "tools/nodesim/key_pair.h"

#include <openssl/ec.h>
#include <openssl/pem.h>

#include <cstddef>
#include <utility>

#include "common/crypto/csr.h"
#include "common/status/macros.h"

namespace provhub::nodesim {
namespace {

constexpr std::size_t kMaxKept = 1024;

}  // namespace

absl::StatusOr<crypto::EvpPkeyPtr> GenerateKey() {
    crypto::EvpPkeyPtr key(EVP_EC_gen("P-384"));
    if (key == nullptr) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "can't make a key pair");
    }
    return key;
}

absl::StatusOr<std::string> PrivateKeyPem(EVP_PKEY* key) {
    const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
    char* text = nullptr;
    if (bio == nullptr || PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "can't write a private key");
    }
    const auto size = BIO_get_mem_data(bio.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
}

absl::StatusOr<std::string> CertificateRequests::For(absl::string_view subject) {
    {
        absl::MutexLock lock(&mutex_);
        if (const auto found = made_.find(subject); found != made_.end()) {
            return found->second;
        }
    }
    RETURN_IF_ERROR(crypto::ValidateCommonName(subject));
    crypto::CertificateRequest request;
    request.common_name = std::string(subject);
    request.extended_key_usage = {crypto::ExtendedKeyUsage::kClientAuth};
    ASSIGN_OR_RETURN(std::string csr, crypto::CreateCsr(key_.get(), request));
    absl::MutexLock lock(&mutex_);
    if (made_.size() < kMaxKept) {
        made_.emplace(std::string(subject), csr);
    }
    return csr;
}

}  // namespace provhub::nodesim
