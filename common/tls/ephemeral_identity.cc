#include "common/tls/ephemeral_identity.h"

#include <openssl/pem.h>

#include "common/crypto/csr.h"
#include "common/crypto/fingerprint.h"
#include "common/crypto/openssl.h"
#include "common/status/macros.h"

namespace provhub::tls {
namespace {

absl::StatusOr<std::string> PrivateKeyPem(EVP_PKEY* key) {
    const crypto::BioPtr bio(BIO_new(BIO_s_secmem()));
    if (bio == nullptr || PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "write the ephemeral key");
    }
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

absl::StatusOr<EphemeralIdentity> CreateEphemeralIdentity(absl::Time now) {
    const crypto::EvpPkeyPtr key(EVP_EC_gen("P-384"));
    if (key == nullptr) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "make the ephemeral key");
    }
    crypto::CertificateRequest request;
    request.common_name = kEphemeralServerName;
    request.alternative_names = {kEphemeralServerName};
    request.extended_key_usage = {crypto::ExtendedKeyUsage::kServerAuth};
    ASSIGN_OR_RETURN(const crypto::Certificate certificate,
                     crypto::CreateSelfSigned(key.get(), request, now - absl::Hours(1), now + absl::Hours(365 * 24)));
    EphemeralIdentity identity;
    ASSIGN_OR_RETURN(identity.key_pem, PrivateKeyPem(key.get()));
    identity.certificate_pem = certificate.Pem();
    identity.fingerprint = crypto::Fingerprint(certificate);
    return identity;
}

}  // namespace provhub::tls
