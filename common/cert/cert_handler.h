// All certificate types of this node.
#ifndef PROVHUB_COMMON_CERT_CERT_HANDLER_H_
#define PROVHUB_COMMON_CERT_CERT_HANDLER_H_

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/cert/cert_directory.h"
#include "common/cert/cert_module.h"
#include "common/cert/cert_store.h"
#include "common/cert/token.h"
#include "common/hsm/hsm.h"
#include "common/runtime/listeners.h"
#include "common/runtime/scheduler.h"
#include "common/tls/identity.h"

namespace provhub::config::v1 {
class Config;
}

namespace provhub::cert {

// The directory's calls may come at any time; the others block on the HSM and the disk, and take turns as CertModule
// says (the dispatcher of the node sees to that). Disabled types are not among the types.
class CertHandler final : public CertDirectory {
 public:
    // `tokens`, `store` and `clock` MUST outlive the result. The certificates of the type that `config` names as
    // certStorage are to carry `node_id` as a URI, unless `config` says otherwise (nodeIdentity).
    static absl::StatusOr<std::unique_ptr<CertHandler>> Create(const config::v1::Config& config,
                                                               const std::string& node_id,
                                                               const std::vector<std::unique_ptr<Token>>& tokens,
                                                               CertStore& store, const runtime::Scheduler& clock);

    // ---- CertDirectory ---------------------------------------------------------------------------------------------

    std::vector<std::string> Types() const override;
    absl::StatusOr<CertRecord> Get(absl::string_view type, absl::string_view issuer_der,
                                   absl::string_view serial) const override;
    absl::StatusOr<std::vector<CertRecord>> List() const override;
    runtime::Subscription Subscribe(std::function<void(const CertRecord&)> listener) override;

    // As NodeCore::LoadIdentity. Blocks on the token; may come at any time.
    absl::StatusOr<tls::Identity> LoadIdentity(const CertRecord& record);

    // ---- Enrolment -------------------------------------------------------------------------------------------------

    // The types whose certificate comes from a CA: enabled and not self-signed, in the configuration's order.
    std::vector<std::string> EnrolledTypes() const;

    // Those of EnrolledTypes that have no certificate that is valid now.
    std::vector<std::string> TypesWithoutValidCertificate() const;

    // Name of the token that a type is on; empty for an unknown type.
    std::string TokenName(absl::string_view type) const;

    // As in CertModule. NotFound for an unknown type, FailedPrecondition for a self-signed one.
    absl::StatusOr<std::string> CreateKey(absl::string_view type, absl::string_view common_name);

    // As in CertModule. The anchors are those of caCert; where that file is not there, the self-signed certificates of
    // `pem`.
    absl::StatusOr<CertRecord> ApplyCert(absl::string_view type, absl::string_view pem);

    // For every self-signed type.
    absl::Status MakeSelfSigned(absl::string_view common_name);

    absl::Status RemovePendingKeys();

    // Forgets all keys, certificates and tokens; what is on the tokens stays there.
    absl::Status Forget();

    // Once at start, for a token that is open: removes what a kill left half made on it and tests what is in use, see
    // reconcile.h. What is lost is not in the directory any more.
    //
    // Errors: FailedPrecondition (this node has not taken ownership of the token, or of another one in its place;
    // nothing was touched), DataLoss (identities are lost), those of the token and the database.
    absl::Status ReconcileToken(Token& token);

 private:
    CertHandler(std::string ca_cert_path, CertStore& store, const runtime::Scheduler& clock)
        : ca_cert_path_(std::move(ca_cert_path)), store_(store), clock_(clock) {}

    absl::StatusOr<CertModule*> FindEnrolled(absl::string_view type);
    absl::StatusOr<std::vector<crypto::Certificate>> Anchors(const std::vector<crypto::Certificate>& chain) const;
    // Reads the records of all types.
    absl::Status Load();
    // Reads the records of the type of `newest`, which is there in any case.
    void Reread(const CertRecord& newest);
    // Reread, and tells the listeners.
    void Publish(const CertRecord& added);

    const std::string ca_cert_path_;
    CertStore& store_;
    const runtime::Scheduler& clock_;
    std::vector<std::unique_ptr<CertModule>> modules_;
    // Types that are not tested at start.
    std::set<std::string> untested_types_;
    mutable absl::Mutex mutex_;
    // What List returns.
    std::vector<CertRecord> records_ ABSL_GUARDED_BY(mutex_);
    // Of certificates that are in the database but can't be used.
    std::set<hsm::ObjectId> lost_ ABSL_GUARDED_BY(mutex_);
    runtime::Listeners<CertRecord> listeners_;
};

}  // namespace provhub::cert

#endif  // PROVHUB_COMMON_CERT_CERT_HANDLER_H_
