#include "common/tls/ephemeral_identity.h"

#include "common/crypto/csr.h"
#include "common/crypto/fingerprint.h"
#include "common/crypto/private_key.h"
#include "common/status/macros.h"

namespace provhub::tls {
absl::StatusOr<EphemeralIdentity> CreateEphemeralIdentity(absl::Time now) {
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr key, crypto::GenerateKey(crypto::KeyAlgorithm::kEcP384));
    crypto::CertificateRequest request;
    request.common_name = kEphemeralServerName;
    request.alternative_names = {kEphemeralServerName};
    request.extended_key_usage = {crypto::ExtendedKeyUsage::kServerAuth};
    ASSIGN_OR_RETURN(const crypto::Certificate certificate,
                     crypto::CreateSelfSigned(key.get(), request, now - absl::Hours(1), now + absl::Hours(365 * 24)));
    EphemeralIdentity identity;
    ASSIGN_OR_RETURN(identity.key_pem, crypto::PrivateKeyPem(key.get()));
    identity.certificate_pem = certificate.Pem();
    identity.fingerprint = crypto::Fingerprint(certificate);
    return identity;
}

}  // namespace provhub::tls
