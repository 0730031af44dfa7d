#include "tools/provctl/pem_key.h"

#include <openssl/pem.h>

#include "absl/strings/str_cat.h"
#include "common/crypto/private_key.h"
#include "common/crypto/secret.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"

namespace provhub::provctl {
namespace {

constexpr mode_t kPrivate = 0600;
constexpr std::size_t kMaxFileBytes = std::size_t{64} * 1024;

}  // namespace

absl::Status WritePemKey(const std::string& path, EVP_PKEY* key) {
    ASSIGN_OR_RETURN(std::string text, crypto::PrivateKeyPem(key));
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
