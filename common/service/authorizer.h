// The one place that decides on every call in normal mode.
#ifndef PROVHUB_COMMON_SERVICE_AUTHORIZER_H_
#define PROVHUB_COMMON_SERVICE_AUTHORIZER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/service/authorization_rules.h"
#include "common/service/caller.h"
#include "common/service/refusal.h"
#include "common/tls/server_credentials.h"
#include "common/tls/trust_anchors.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::service {

// Verifies the certificates of callers and asks the rules. What it found out of a certificate is kept as long as the
// certificate, its authorities and the trust anchors stay valid, for an hour at most.
class Authorizer {
 public:
    // `config` holds the rules and the nodes' identities. `now` is the wall clock.
    Authorizer(const config::v1::Config& config, std::shared_ptr<const tls::TrustAnchors> anchors,
               std::function<absl::Time()> now);

    // Told of each refused call on a thread of gRPC: MUST NOT block. Set before the first call comes.
    void OnRefused(RefusalListener listener) { on_refused_ = std::move(listener); }

    // A call on the protected listener by somebody with this certificate and those he sent with it, PEM; empty where he
    // has none.
    //
    // `done` runs inside this call, or once the listener is done with the refusal. Unauthenticated (certificate, and
    // what is wrong with it), PermissionDenied (no rule allows it).
    using Done = absl::AnyInvocable<void(const absl::StatusOr<std::shared_ptr<const Caller>>&)>;
    void Check(absl::string_view certificate_pem, absl::string_view chain_pem, absl::string_view method, Done done);

 private:
    // What a certificate is good for.
    struct Verdict {
        absl::Status verified;
        Caller caller;
        RuleSet rules = 0;
        absl::Time good_until;
    };

    using Verdicts = absl::flat_hash_map<std::string, std::shared_ptr<const Verdict>>;

    std::shared_ptr<const Verdict> VerdictOn(absl::string_view certificate_pem, absl::string_view chain_pem);
    std::shared_ptr<const Verdict> Known(absl::string_view certificate_pem, std::uint64_t generation, absl::Time now);
    void Keep(absl::string_view certificate_pem, std::uint64_t generation, std::shared_ptr<const Verdict> verdict);
    Verdict Examine(absl::string_view certificate_pem, absl::string_view chain_pem,
                    const std::vector<crypto::Certificate>& anchors);
    std::vector<crypto::Certificate> KnownAuthorities();
    void Remember(const std::vector<crypto::Certificate>& authorities);
    RuleSet RulesOn(absl::string_view method);
    void Refuse(const Caller& caller, absl::string_view method, const absl::Status& reason, Done done);

    const config::v1::NodeIdentity node_identity_;
    const AuthorizationRules rules_;
    const std::shared_ptr<const tls::TrustAnchors> anchors_;
    const std::function<absl::Time()> now_;
    RefusalListener on_refused_ = [](const Refusal&, absl::AnyInvocable<void()> done) { done(); };

    absl::Mutex mutex_;
    // By certificate, of the anchors of this generation. Anybody can have certificates refused, so those never push out
    // the others.
    std::uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
    Verdicts verified_ ABSL_GUARDED_BY(mutex_);
    Verdicts refused_ ABSL_GUARDED_BY(mutex_);
    absl::flat_hash_map<std::string, RuleSet> methods_ ABSL_GUARDED_BY(mutex_);
    // Between certificates that verified and their anchors. A resumed TLS session brings the caller's own certificate
    // alone (the session ticket has no room for more), so these help to find the path of such callers.
    std::vector<crypto::Certificate> authorities_ ABSL_GUARDED_BY(mutex_);
};

// The checks of the two listeners: the protected one asks `authorizer`, the public one lets everybody in, unknown.
std::shared_ptr<tls::CallCheck> ProtectedCalls(std::shared_ptr<Authorizer> authorizer);
std::shared_ptr<tls::CallCheck> PublicCalls();

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_AUTHORIZER_H_
