#include "common/cert/load_identity.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/cert/proof_of_possession.h"
#include "common/crypto/certificate.h"
#include "common/crypto/fingerprint.h"
#include "common/hsm/engine.h"
#include "common/status/macros.h"

namespace provhub::cert {
namespace {

absl::StatusOr<crypto::Certificate> Read(hsm::Hsm& hsm, const hsm::ObjectId& id) {
    ASSIGN_OR_RETURN(const std::string der, hsm.ReadCertificate(id));
    return crypto::Certificate::FromDer(der);
}

// Names alone would do where each authority has one certificate; one that was renewed with another key has two.
bool IsIssuedBy(const crypto::Certificate& certificate, const crypto::Certificate& issuer) {
    const bool issued = X509_check_issued(issuer.get(), certificate.get()) == X509_V_OK &&
                        X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) == 1;
    ERR_clear_error();
    return issued;
}

}  // namespace

absl::StatusOr<tls::Identity> LoadIdentity(hsm::Hsm& hsm, const CertRecord& record,
                                           const std::vector<hsm::ObjectId>& authorities) {
    ASSIGN_OR_RETURN(const crypto::Certificate leaf, Read(hsm, record.object_id));
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr key, hsm.LoadKey(record.object_id));
    RETURN_IF_ERROR(ProvePossession(key.get(), leaf));

    std::vector<crypto::Certificate> issuers;
    for (const hsm::ObjectId& id : authorities) {
        ASSIGN_OR_RETURN(crypto::Certificate issuer, Read(hsm, id));
        issuers.push_back(std::move(issuer));
    }
    tls::Identity identity{.chain_pem = leaf.Pem(),
                           .key = hsm::EngineKey(record.key_url),
                           .fingerprint = crypto::Fingerprint(leaf),
                           .subject = leaf.Subject(),
                           .not_after = leaf.not_after()};
    crypto::Certificate end = leaf;
    while (true) {
        const auto issuer =
            std::ranges::find_if(issuers, [&](const auto& candidate) { return IsIssuedBy(end, candidate); });
        if (issuer == issuers.end()) {
            return identity;
        }
        identity.chain_pem += issuer->Pem();
        end = *issuer;
        issuers.erase(issuer);
    }
}

}  // namespace provhub::cert
