#include "common/cert/cert_module.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/cert/proof_of_possession.h"
#include "common/cert/stored_chain.h"
#include "common/crypto/pkcs11_uri.h"
#include "common/crypto/random.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::cert {
namespace {

constexpr runtime::Log kLog("cert");

constexpr std::size_t kObjectIdBytes = 16;
constexpr absl::Duration kSelfSignedLifetime = absl::Hours(24 * 3652);

struct Usage {
    absl::string_view word;
    crypto::ExtendedKeyUsage usage;
    // Of X509_get_extended_key_usage.
    std::uint32_t flag;
};

constexpr Usage kUsages[] = {
    {"clientAuth", crypto::ExtendedKeyUsage::kClientAuth, XKU_SSL_CLIENT},
    {"serverAuth", crypto::ExtendedKeyUsage::kServerAuth, XKU_SSL_SERVER},
};

const Usage* FindUsage(absl::string_view word) {
    const auto* usage = std::ranges::find(kUsages, word, &Usage::word);
    return usage == std::end(kUsages) ? nullptr : usage;
}

crypto::KeyAlgorithm Algorithm(const config::v1::CertModule& config) {
    return config.algorithm() == "rsa" ? crypto::KeyAlgorithm::kRsa2048 : crypto::KeyAlgorithm::kEcP384;
}

struct Match {
    ManifestEntry key;
    crypto::Certificate leaf;
};

std::optional<Match> FindMatch(const std::vector<ManifestEntry>& keys,
                               const std::vector<crypto::Certificate>& certificates) {
    for (const crypto::Certificate& certificate : certificates) {
        const auto key = std::ranges::find(keys, certificate.PublicKeyDer(), &ManifestEntry::public_key);
        if (key != keys.end()) {
            return Match{*key, certificate};
        }
    }
    return std::nullopt;
}

}  // namespace

CertModule::CertModule(config::v1::CertModule config, Token& token, CertStore& store)
    : config_(std::move(config)), token_(token), store_(store) {}

absl::StatusOr<std::string> CertModule::CreateKey(absl::string_view common_name, absl::Time now) {
    ASSIGN_OR_RETURN(const crypto::CertificateRequest request, Request(common_name));
    RETURN_IF_ERROR(RemoveExpiredKeys(now));
    ASSIGN_OR_RETURN(const hsm::ObjectId id, GenerateKey(now));
    const auto csr = [&]() -> absl::StatusOr<std::string> {
        ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr key, token_.hsm->LoadKey(id));
        ASSIGN_OR_RETURN(std::string text, crypto::CreateCsr(key.get(), request));
        ASSIGN_OR_RETURN(const std::string public_key, crypto::PublicKeyDer(key.get()));
        RETURN_IF_ERROR(store_.SetPublicKey(token_.name, id, public_key));
        return text;
    }();
    if (!csr.ok()) {
        DiscardKey(id);
        return csr.status();
    }
    TrimPendingKeys();
    return csr;
}

absl::StatusOr<CertRecord> CertModule::ApplyCert(const std::vector<crypto::Certificate>& certificates,
                                                 const std::vector<crypto::Certificate>& anchors, absl::Time now,
                                                 const InUse& in_use) {
    ASSIGN_OR_RETURN(const std::vector<ManifestEntry> pending, Keys(KeyState::kPending));
    const auto match = FindMatch(pending, certificates);
    if (!match) {
        return NoMatch(pending, certificates);
    }
    ASSIGN_OR_RETURN(const crypto::Chain chain, crypto::VerifyChain(match->leaf, certificates, anchors, now));
    ASSIGN_OR_RETURN(CertRecord record, Activate(match->key.id, chain, now));
    WarnOfMissingUsage(chain.leaf);
    in_use(record);
    TrimCertificates();
    return record;
}

absl::Status CertModule::NoMatch(const std::vector<ManifestEntry>& pending,
                                 const std::vector<crypto::Certificate>& certificates) {
    ASSIGN_OR_RETURN(const std::vector<ManifestEntry> active, Keys(KeyState::kActive));
    if (const auto match = FindMatch(active, certificates)) {
        return absl::AlreadyExistsError(
            absl::StrCat("the key of the certificate of ", match->leaf.Subject(), " is in use already"));
    }
    if (pending.empty()) {
        return absl::FailedPreconditionError("no key is waiting for a certificate: call CreateKey first");
    }
    return absl::InvalidArgumentError(absl::StrCat("the chain (", certificates.size(),
                                                   " certificates) belongs to none of the pending keys (",
                                                   pending.size(), ")"));
}

absl::StatusOr<CertRecord> CertModule::MakeSelfSigned(absl::string_view common_name, absl::Time now,
                                                      const InUse& in_use) {
    ASSIGN_OR_RETURN(const crypto::CertificateRequest request, Request(common_name));
    ASSIGN_OR_RETURN(const hsm::ObjectId id, GenerateKey(now));
    auto record = [&]() -> absl::StatusOr<CertRecord> {
        ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr key, token_.hsm->LoadKey(id));
        ASSIGN_OR_RETURN(const std::string public_key, crypto::PublicKeyDer(key.get()));
        RETURN_IF_ERROR(store_.SetPublicKey(token_.name, id, public_key));
        ASSIGN_OR_RETURN(const crypto::Certificate certificate,
                         crypto::CreateSelfSigned(key.get(), request, now, now + kSelfSignedLifetime));
        return Activate(id, crypto::Chain{certificate, {}}, now);
    }();
    if (!record.ok()) {
        DiscardKey(id);
        return record.status();
    }
    in_use(*record);
    TrimCertificates();
    return record;
}

absl::Status CertModule::RemovePendingKeys() {
    ASSIGN_OR_RETURN(const std::vector<ManifestEntry> keys, Keys(KeyState::kPending));
    for (const ManifestEntry& key : keys) {
        RETURN_IF_ERROR(RemoveKey(key.id));
    }
    return absl::OkStatus();
}

absl::StatusOr<crypto::CertificateRequest> CertModule::Request(absl::string_view common_name) const {
    RETURN_IF_ERROR(crypto::ValidateCommonName(common_name));
    crypto::CertificateRequest request;
    request.common_name = std::string(common_name);
    for (const std::string& word : config_.extended_key_usage()) {
        if (const Usage* usage = FindUsage(word)) {
            request.extended_key_usage.push_back(usage->usage);
        }
    }
    request.alternative_names.assign(config_.alternative_names().begin(), config_.alternative_names().end());
    return request;
}

absl::StatusOr<std::vector<ManifestEntry>> CertModule::Keys(KeyState state) {
    ASSIGN_OR_RETURN(std::vector<ManifestEntry> keys, store_.Entries());
    std::erase_if(keys, [&](const ManifestEntry& key) {
        return key.token != token_.name || key.type != type() || key.state != state;
    });
    return keys;
}

absl::StatusOr<hsm::ObjectId> CertModule::GenerateKey(absl::Time now) {
    hsm::ObjectId id = crypto::RandomBytes(kObjectIdBytes);
    RETURN_IF_ERROR(store_.Add({.id = id,
                                .token = token_.name,
                                .type = type(),
                                .state = KeyState::kPending,
                                .created = now,
                                .public_key = ""}));
    const absl::Status generated = token_.hsm->GenerateKeyPair(id, type(), Algorithm(config_));
    if (!generated.ok()) {
        DiscardKey(id);
        return generated;
    }
    return id;
}

absl::Status CertModule::RemoveKey(const hsm::ObjectId& id) {
    RETURN_IF_ERROR(token_.hsm->Destroy(id));
    return store_.Remove(token_.name, id);
}

void CertModule::DiscardKey(const hsm::ObjectId& id) {
    if (const absl::Status status = RemoveKey(id); !status.ok()) {
        kLog.Warning(absl::StrCat("type '", type(), "': a key of no use stays on token '", token_.name,
                                  "' until the next start: ", status.message()));
    }
}

absl::Status CertModule::RemoveExpiredKeys(absl::Time now) {
    ASSIGN_OR_RETURN(const std::vector<ManifestEntry> keys, Keys(KeyState::kPending));
    for (const ManifestEntry& key : keys) {
        if (key.created + kPendingKeyLifetime < now) {
            RETURN_IF_ERROR(RemoveKey(key.id));
            kLog.Notice(absl::StrCat("type '", type(), "': a key that waited for its certificate since ",
                                     absl::FormatTime(key.created, absl::UTCTimeZone()), " was removed"));
        }
    }
    return absl::OkStatus();
}

void CertModule::TrimPendingKeys() {
    const auto keys = Keys(KeyState::kPending);
    if (!keys.ok()) {
        kLog.Warning(absl::StrCat("type '", type(), "': ", keys.status().message()));
        return;
    }
    for (std::size_t i = 0; i + kMaxPendingKeys < keys->size(); ++i) {
        kLog.Notice(absl::StrCat("type '", type(), "': more than ", kMaxPendingKeys,
                                 " keys wait for a certificate, the oldest is removed"));
        DiscardKey((*keys)[i].id);
    }
}

absl::StatusOr<CertRecord> CertModule::Activate(const hsm::ObjectId& id, const crypto::Chain& chain, absl::Time now) {
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr key, token_.hsm->LoadKey(id));
    RETURN_IF_ERROR(ProvePossession(key.get(), chain.leaf));
    ASSIGN_OR_RETURN(CertRecord record, Describe(id, chain.leaf));
    StoredChain stored(token_, store_, now);
    RETURN_IF_ERROR(stored.AddAuthorities(chain.intermediates));
    RETURN_IF_ERROR(stored.AddLeaf(id, type(), chain.leaf));
    RETURN_IF_ERROR(store_.Activate(token_.name, record, stored.authorities()));
    stored.Keep();
    return record;
}

absl::StatusOr<CertRecord> CertModule::Describe(const hsm::ObjectId& id, const crypto::Certificate& leaf) {
    ASSIGN_OR_RETURN(const hsm::TokenState state, token_.hsm->State());
    const std::string url =
        crypto::FormatPkcs11Uri({.token = state.label,
                                 .object = type(),
                                 .id = id,
                                 .type = "",
                                 .module_path = config_.params().module_path_in_url() ? config_.params().library() : "",
                                 .pin_source = token_.user_pin_path});
    return CertRecord{.type = type(),
                      .issuer_der = leaf.IssuerDer(),
                      .serial = leaf.SerialHex(),
                      .cert_url = url,
                      .key_url = url,
                      .subject = leaf.Subject(),
                      .issuer = leaf.Issuer(),
                      .not_before = leaf.not_before(),
                      .not_after = leaf.not_after(),
                      .self_signed = self_signed(),
                      .object_id = id};
}

void CertModule::TrimCertificates() {
    auto certificates = store_.Certificates();
    if (!certificates.ok()) {
        kLog.Warning(absl::StrCat("type '", type(), "': ", certificates.status().message()));
        return;
    }
    std::erase_if(*certificates, [&](const StoredCertificate& certificate) {
        return certificate.token != token_.name || certificate.record.type != type();
    });
    for (std::size_t i = 0; i + config_.max_items() < certificates->size(); ++i) {
        const hsm::ObjectId& id = (*certificates)[i].record.object_id;
        // The database first: whatever is cut off after that is an object that the next start knows to be no one's.
        absl::Status status = store_.Remove(token_.name, id);
        if (status.ok()) {
            status = token_.hsm->Destroy(id);
        }
        if (!status.ok()) {
            kLog.Warning(absl::StrCat("type '", type(),
                                      "': the oldest certificate, one over maxItems, stays on token '", token_.name,
                                      "' until the next start: ", status.message()));
        }
    }
    RemoveUnusedAuthorities();
}

void CertModule::RemoveUnusedAuthorities() {
    const auto unused = store_.UnusedAuthorities(token_.name);
    absl::Status status = unused.status();
    for (std::size_t i = 0; status.ok() && i < unused->size(); ++i) {
        status = RemoveKey((*unused)[i]);
    }
    if (!status.ok()) {
        kLog.Warning(absl::StrCat("an unused intermediate certificate stays on token '", token_.name,
                                  "' until the next start: ", status.message()));
    }
}

void CertModule::WarnOfMissingUsage(const crypto::Certificate& leaf) const {
    const bool limited = (X509_get_extension_flags(leaf.get()) & EXFLAG_XKUSAGE) != 0;
    for (const std::string& word : config_.extended_key_usage()) {
        const Usage* usage = FindUsage(word);
        if (usage != nullptr && (!limited || (X509_get_extended_key_usage(leaf.get()) & usage->flag) == 0)) {
            kLog.Warning(absl::StrCat("type '", type(), "': the CA issued ", leaf.Subject(), " without the usage ",
                                      word, " that the configuration asks for"));
        }
    }
}

}  // namespace provhub::cert
