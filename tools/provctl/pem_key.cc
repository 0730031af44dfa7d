#include "tools/provctl/pem_key.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "absl/strings/str_cat.h"
#include "common/crypto/secret.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"

namespace provhub::provctl {
namespace {

constexpr int kRsaBits = 2048;
constexpr mode_t kPrivate = 0600;
constexpr std::size_t kMaxFileBytes = std::size_t{64} * 1024;

}  // namespace

absl::StatusOr<crypto::EvpPkeyPtr> GeneratePemKey(crypto::KeyAlgorithm algorithm) {
    crypto::EvpPkeyPtr key(algorithm == crypto::KeyAlgorithm::kRsa2048 ? EVP_RSA_gen(kRsaBits) : EVP_EC_gen("P-384"));
    if (key == nullptr) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "can't generate a key");
    }
    return key;
}

absl::StatusOr<std::string> PrivateKeyPem(EVP_PKEY* key) {
    const crypto::BioPtr bio(BIO_new(BIO_s_secmem()));
    if (bio == nullptr || PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "can't encode the key");
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
}

absl::Status WritePemKey(const std::string& path, EVP_PKEY* key) {
    ASSIGN_OR_RETURN(std::string text, PrivateKeyPem(key));
    const crypto::Secret pem = crypto::Secret::TakeFrom(text);
    return runtime::WriteFileAtomically(path, pem.Reveal(), kPrivate);
}

absl::StatusOr<crypto::EvpPkeyPtr> ReadPemKey(const std::string& path) {
    ASSIGN_OR_RETURN(std::string text, runtime::ReadSmallFile(path, kMaxFileBytes));
    const crypto::Secret pem = crypto::Secret::TakeFrom(text);
    const crypto::BioPtr bio(BIO_new_mem_buf(pem.Reveal().data(), static_cast<int>(pem.size())));
    // Without the callback OpenSSL would ask on the terminal for the passphrase of an encrypted key.
    const auto no_passphrase = [](char*, int, int, void*) { return -1; };
    crypto::EvpPkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
    if (key == nullptr) {
        return crypto::OpenSslError(absl::StatusCode::kFailedPrecondition,
                                    absl::StrCat(path, ": not an unencrypted private key in PEM"));
    }
    return key;
}

}  // namespace provhub::provctl
