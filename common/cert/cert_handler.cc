#include "common/cert/cert_handler.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/cert/load_identity.h"
#include "common/cert/reconcile.h"
#include "common/crypto/node_uri.h"
#include "common/runtime/atomic_file.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::cert {
namespace {

constexpr runtime::Log kLog("cert");

constexpr std::size_t kMaxAnchorFileBytes = 256 * 1024;

Token* FindToken(const std::vector<std::unique_ptr<Token>>& tokens, const std::string& type) {
    const auto token = std::ranges::find_if(
        tokens, [&](const auto& candidate) { return std::ranges::count(candidate->types, type) != 0; });
    return token == tokens.end() ? nullptr : token->get();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CertHandler>> CertHandler::Create(const config::v1::Config& config,
                                                                 const std::string& node_id,
                                                                 const std::vector<std::unique_ptr<Token>>& tokens,
                                                                 CertStore& store, const runtime::Scheduler& clock) {
    std::unique_ptr<CertHandler> handler(new CertHandler(config.ca_cert(), store, clock));
    for (config::v1::CertModule module : config.cert_modules()) {
        if (Token* token = FindToken(tokens, module.id())) {
            if (module.id() == config.cert_storage() && config.node_identity().in_csr()) {
                module.add_alternative_names(crypto::NodeUri(config.node_identity().uri_prefix(), node_id));
            }
            handler->modules_.push_back(std::make_unique<CertModule>(module, *token, store));
            if (module.skip_validation()) {
                handler->untested_types_.insert(module.id());
            }
        }
    }
    RETURN_IF_ERROR(handler->Load());
    return handler;
}

std::vector<std::string> CertHandler::Types() const {
    std::vector<std::string> types;
    std::ranges::transform(modules_, std::back_inserter(types), [](const auto& module) { return module->type(); });
    return types;
}

absl::StatusOr<CertRecord> CertHandler::Get(absl::string_view type, absl::string_view issuer_der,
                                            absl::string_view serial) const {
    if (issuer_der.empty() != serial.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the ", issuer_der.empty() ? "issuer" : "serial",
                         " is missing: give issuer and serial for one certificate, or neither for the newest"));
    }
    if (std::ranges::none_of(modules_, [&](const auto& module) { return module->type() == type; })) {
        return absl::NotFoundError(absl::StrCat("there is no certificate type '", type, "' on this node"));
    }
    absl::MutexLock lock(&mutex_);
    const auto record = std::find_if(records_.rbegin(), records_.rend(), [&](const CertRecord& candidate) {
        return candidate.type == type && (serial.empty() || (candidate.issuer_der == issuer_der &&
                                                             absl::EqualsIgnoreCase(candidate.serial, serial)));
    });
    if (record == records_.rend()) {
        return absl::NotFoundError(serial.empty() ? absl::StrCat("type '", type, "' has no certificate yet")
                                                  : absl::StrCat("type '", type,
                                                                 "' has no certificate with this issuer and the "
                                                                 "serial ",
                                                                 serial));
    }
    return *record;
}

absl::StatusOr<std::vector<CertRecord>> CertHandler::List() const {
    absl::MutexLock lock(&mutex_);
    return records_;
}

runtime::Subscription CertHandler::Subscribe(std::function<void(const CertRecord&)> listener) {
    return listeners_.Add(std::move(listener));
}

absl::StatusOr<tls::Identity> CertHandler::LoadIdentity(const CertRecord& record) {
    const auto module =
        std::ranges::find_if(modules_, [&](const auto& candidate) { return candidate->type() == record.type; });
    if (module == modules_.end()) {
        return absl::NotFoundError(absl::StrCat("there is no certificate type '", record.type, "' on this node"));
    }
    const Token& token = (*module)->token();
    ASSIGN_OR_RETURN(const std::vector<ManifestEntry> entries, store_.Entries());
    std::vector<hsm::ObjectId> authorities;
    for (const ManifestEntry& entry : entries) {
        if (entry.token == token.name && entry.state == KeyState::kAuthority) {
            authorities.push_back(entry.id);
        }
    }
    return cert::LoadIdentity(*token.hsm, record, authorities);
}

std::vector<std::string> CertHandler::EnrolledTypes() const {
    std::vector<std::string> types;
    for (const auto& module : modules_) {
        if (!module->self_signed()) {
            types.push_back(module->type());
        }
    }
    return types;
}

std::vector<std::string> CertHandler::TypesWithoutValidCertificate() const {
    const absl::Time now = clock_.Now();
    std::vector<std::string> types = EnrolledTypes();
    absl::MutexLock lock(&mutex_);
    std::erase_if(types, [&](const std::string& type) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return std::ranges::any_of(records_, [&](const CertRecord& record) {
            return record.type == type && record.not_before <= now && now < record.not_after;
        });
    });
    return types;
}

std::string CertHandler::TokenName(absl::string_view type) const {
    const auto module =
        std::ranges::find_if(modules_, [&](const auto& candidate) { return candidate->type() == type; });
    return module == modules_.end() ? "" : (*module)->token().name;
}

absl::StatusOr<std::string> CertHandler::CreateKey(absl::string_view type, absl::string_view common_name) {
    ASSIGN_OR_RETURN(CertModule* const module, FindEnrolled(type));
    return module->CreateKey(common_name, clock_.Now());
}

absl::StatusOr<CertRecord> CertHandler::ApplyCert(absl::string_view type, absl::string_view pem) {
    ASSIGN_OR_RETURN(CertModule* const module, FindEnrolled(type));
    ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> certificates, crypto::ParsePemCertificates(pem));
    ASSIGN_OR_RETURN(const std::vector<crypto::Certificate> anchors, Anchors(certificates));
    const auto publish = [this](const CertRecord& record) { Publish(record); };
    ASSIGN_OR_RETURN(CertRecord record, module->ApplyCert(certificates, anchors, clock_.Now(), publish));
    // Without what has been removed since.
    Reread(record);
    return record;
}

absl::Status CertHandler::MakeSelfSigned(absl::string_view common_name) {
    for (const auto& module : modules_) {
        if (!module->self_signed()) {
            continue;
        }
        const auto record =
            module->MakeSelfSigned(common_name, clock_.Now(), [this](const CertRecord& made) { Publish(made); });
        if (!record.ok()) {
            return status::Annotate(record.status(), absl::StrCat("type '", module->type(), "'"));
        }
        Reread(*record);
    }
    return absl::OkStatus();
}

absl::Status CertHandler::RemovePendingKeys() {
    for (const auto& module : modules_) {
        RETURN_IF_ERROR(module->RemovePendingKeys());
    }
    return absl::OkStatus();
}

absl::Status CertHandler::Forget() {
    RETURN_IF_ERROR(store_.Clear());
    absl::MutexLock lock(&mutex_);
    records_.clear();
    lost_.clear();
    return absl::OkStatus();
}

absl::Status CertHandler::ReconcileToken(Token& token) {
    using Tokens = std::map<std::string, std::string>;
    ASSIGN_OR_RETURN(const hsm::TokenState state, token.hsm->State());
    ASSIGN_OR_RETURN(const Tokens owned, store_.Tokens());
    const auto serial = owned.find(token.name);
    if (serial == owned.end()) {
        return absl::FailedPreconditionError(
            absl::StrCat("token '", token.name,
                         "' is not in this node's database, so nothing on it was touched: where the database "
                         "was lost, bring it back or provision the node again"));
    }
    if (serial->second != state.serial) {
        return absl::FailedPreconditionError(
            absl::StrCat("token '", token.name,
                         "' is another one now, so nothing on it was touched: its serial number "
                         "is '",
                         state.serial, "', this node's keys are on '", serial->second, "'"));
    }
    ASSIGN_OR_RETURN(const std::vector<LostIdentity> lost, Reconcile(token, store_, untested_types_, clock_.Now()));
    if (lost.empty()) {
        return absl::OkStatus();
    }
    {
        absl::MutexLock lock(&mutex_);
        for (const LostIdentity& identity : lost) {
            lost_.insert(identity.id);
        }
        std::erase_if(records_, [&](const CertRecord& record)
                                    ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return lost_.contains(record.object_id); });
    }
    return absl::DataLossError(absl::StrJoin(lost, "; ", [](std::string* out, const LostIdentity& identity) {
        absl::StrAppend(out, identity.reason.message());
    }));
}

absl::StatusOr<CertModule*> CertHandler::FindEnrolled(absl::string_view type) {
    const auto module =
        std::ranges::find_if(modules_, [&](const auto& candidate) { return candidate->type() == type; });
    if (module == modules_.end()) {
        return absl::NotFoundError(absl::StrCat("there is no certificate type '", type, "' on this node; it has ",
                                                absl::StrJoin(EnrolledTypes(), ", ")));
    }
    if ((*module)->self_signed()) {
        return absl::FailedPreconditionError(
            absl::StrCat("type '", type, "' is self-signed: this node makes its certificate in StartProvisioning"));
    }
    return module->get();
}

absl::StatusOr<std::vector<crypto::Certificate>> CertHandler::Anchors(
    const std::vector<crypto::Certificate>& chain) const {
    const auto pem = runtime::ReadSmallFile(ca_cert_path_, kMaxAnchorFileBytes);
    if (pem.ok()) {
        auto anchors = crypto::ParsePemCertificates(*pem);
        if (!anchors.ok()) {
            return absl::FailedPreconditionError(
                absl::StrCat("caCert '", ca_cert_path_, "': ", anchors.status().message()));
        }
        return anchors;
    }
    if (!ca_cert_path_.empty() && !absl::IsNotFound(pem.status())) {
        return status::Annotate(pem.status(), "caCert");
    }
    kLog.Warning(
        absl::StrCat("caCert '", ca_cert_path_,
                     "' is not there: the chain is verified up to the self-signed certificate that it brings"));
    std::vector<crypto::Certificate> anchors;
    std::ranges::copy_if(chain, std::back_inserter(anchors), &crypto::Certificate::IsSelfSigned);
    return anchors;
}

absl::Status CertHandler::Load() {
    ASSIGN_OR_RETURN(const std::vector<StoredCertificate> certificates, store_.Certificates());
    absl::MutexLock lock(&mutex_);
    records_.clear();
    for (const StoredCertificate& certificate : certificates) {
        // The configuration may have moved or dropped a type since.
        if (TokenName(certificate.record.type) == certificate.token) {
            records_.push_back(certificate.record);
        }
    }
    return absl::OkStatus();
}

void CertHandler::Publish(const CertRecord& added) {
    Reread(added);
    listeners_.Notify(added);
}

void CertHandler::Reread(const CertRecord& newest) {
    const auto certificates = store_.Certificates();
    if (!certificates.ok()) {
        kLog.Warning(certificates.status().message());
    }
    absl::MutexLock lock(&mutex_);
    if (!certificates.ok()) {
        if (std::ranges::find(records_, newest) == records_.end()) {
            records_.push_back(newest);
        }
        return;
    }
    std::erase_if(records_, [&](const CertRecord& record) { return record.type == newest.type; });
    for (const StoredCertificate& certificate : *certificates) {
        if (certificate.record.type == newest.type && !lost_.contains(certificate.record.object_id)) {
            records_.push_back(certificate.record);
        }
    }
}

}  // namespace provhub::cert
