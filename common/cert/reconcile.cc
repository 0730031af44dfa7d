#include "common/cert/reconcile.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/cert/cert_module.h"
#include "common/cert/proof_of_possession.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::cert {
namespace {

constexpr runtime::Log kLog("cert");

bool IsWholePair(const hsm::StoredObject& object) {
    return object.has_private_key && object.has_public_key && !object.unreadable;
}

absl::Status TestIdentity(Token& token, const ManifestEntry& entry) {
    ASSIGN_OR_RETURN(const std::string der, token.hsm->ReadCertificate(entry.id));
    ASSIGN_OR_RETURN(const crypto::Certificate certificate, crypto::Certificate::FromDer(der));
    ASSIGN_OR_RETURN(const crypto::EvpPkeyPtr key, token.hsm->LoadKey(entry.id));
    return ProvePossession(key.get(), certificate);
}

// One run over one token.
class Reconciliation {
 public:
    Reconciliation(Token& token, CertStore& store, absl::Time now) : token_(token), store_(store), now_(now) {}

    absl::StatusOr<std::vector<LostIdentity>> Run(const std::set<std::string>& untested_types);

 private:
    absl::Status ReadBoth();
    absl::Status DestroyStrangers();
    // The entry and its object, if any.
    absl::Status Settle(const ManifestEntry& entry, const hsm::StoredObject* object,
                        const std::set<std::string>& untested_types);
    absl::Status SettlePending(const ManifestEntry& entry, const hsm::StoredObject* object);
    absl::Status SettleActive(const ManifestEntry& entry, const hsm::StoredObject* object, bool tested);
    absl::Status Discard(const ManifestEntry& entry, absl::string_view why);

    Token& token_;
    CertStore& store_;
    const absl::Time now_;
    std::map<hsm::ObjectId, hsm::StoredObject> objects_;
    bool unnamed_ = false;
    std::map<hsm::ObjectId, ManifestEntry> entries_;
    std::vector<LostIdentity> lost_;
};

absl::StatusOr<std::vector<LostIdentity>> Reconciliation::Run(const std::set<std::string>& untested_types) {
    RETURN_IF_ERROR(ReadBoth());
    RETURN_IF_ERROR(DestroyStrangers());
    for (const auto& [id, entry] : entries_) {
        const auto object = objects_.find(id);
        RETURN_IF_ERROR(Settle(entry, object == objects_.end() ? nullptr : &object->second, untested_types));
    }
    ASSIGN_OR_RETURN(const std::vector<hsm::ObjectId> unused, store_.UnusedAuthorities(token_.name));
    for (const hsm::ObjectId& id : unused) {
        RETURN_IF_ERROR(Discard(entries_[id], "an intermediate certificate that no chain needs"));
    }
    return std::move(lost_);
}

absl::Status Reconciliation::ReadBoth() {
    ASSIGN_OR_RETURN(const std::vector<hsm::StoredObject> objects, token_.hsm->List());
    for (const hsm::StoredObject& object : objects) {
        if (object.id.empty()) {
            unnamed_ = true;
        } else {
            objects_.emplace(object.id, object);
        }
    }
    ASSIGN_OR_RETURN(const std::vector<ManifestEntry> entries, store_.Entries());
    for (const ManifestEntry& entry : entries) {
        if (entry.token == token_.name) {
            entries_.emplace(entry.id, entry);
        }
    }
    return absl::OkStatus();
}

absl::Status Reconciliation::DestroyStrangers() {
    if (unnamed_) {
        kLog.Notice(absl::StrCat("token '", token_.name, "': destroying objects without an ID"));
        RETURN_IF_ERROR(token_.hsm->DestroyUnnamed());
    }
    for (const auto& [id, object] : objects_) {
        if (!entries_.contains(id)) {
            kLog.Notice(absl::StrCat("token '", token_.name, "': destroying object ", absl::BytesToHexString(id), " '",
                                     object.label, "', which the database does not know"));
            RETURN_IF_ERROR(token_.hsm->Destroy(id));
        }
    }
    return absl::OkStatus();
}

absl::Status Reconciliation::Settle(const ManifestEntry& entry, const hsm::StoredObject* object,
                                    const std::set<std::string>& untested_types) {
    switch (entry.state) {
        case KeyState::kPending:
            return SettlePending(entry, object);
        case KeyState::kActive:
            return SettleActive(entry, object, !untested_types.contains(entry.type));
        case KeyState::kAuthority:
            if (object == nullptr) {
                kLog.Warning(absl::StrCat("token '", token_.name, "': the intermediate certificate ",
                                          absl::BytesToHexString(entry.id), " has disappeared"));
            }
            return absl::OkStatus();
    }
    return absl::OkStatus();
}

absl::Status Reconciliation::SettlePending(const ManifestEntry& entry, const hsm::StoredObject* object) {
    if (object == nullptr) {
        return store_.Remove(token_.name, entry.id);
    }
    if (!IsWholePair(*object) || entry.public_key.empty()) {
        return Discard(entry, "a key that is half made");
    }
    if (entry.created + CertModule::kPendingKeyLifetime < now_) {
        return Discard(entry, "a key that waited too long for its certificate");
    }
    return absl::OkStatus();
}

absl::Status Reconciliation::SettleActive(const ManifestEntry& entry, const hsm::StoredObject* object, bool tested) {
    absl::Status reason;
    if (object == nullptr || !object->has_private_key || !object->has_certificate) {
        reason = absl::DataLossError("its key or certificate has disappeared from the token");
    } else if (tested) {
        reason = TestIdentity(token_, entry);
    }
    if (!reason.ok()) {
        const std::string what = absl::StrCat("token '", token_.name, "': the identity of type '", entry.type,
                                              "' is lost, provision the node again");
        lost_.push_back({entry.type, entry.id, status::Annotate(reason, what)});
    }
    return absl::OkStatus();
}

absl::Status Reconciliation::Discard(const ManifestEntry& entry, absl::string_view why) {
    kLog.Notice(absl::StrCat("token '", token_.name, "': destroying ", why, ", type '", entry.type, "'"));
    RETURN_IF_ERROR(token_.hsm->Destroy(entry.id));
    return store_.Remove(token_.name, entry.id);
}

}  // namespace

absl::StatusOr<std::vector<LostIdentity>> Reconcile(Token& token, CertStore& store,
                                                    const std::set<std::string>& untested_types, absl::Time now) {
    return Reconciliation(token, store, now).Run(untested_types);
}

}  // namespace provhub::cert
