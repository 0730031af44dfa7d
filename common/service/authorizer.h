// The one place that decides on every call in normal mode.
#ifndef PROVHUB_COMMON_SERVICE_AUTHORIZER_H_
#define PROVHUB_COMMON_SERVICE_AUTHORIZER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/runtime/rate_limit.h"
#include "common/service/authorization_rules.h"
#include "common/service/caller.h"
#include "common/tls/server_credentials.h"
#include "common/tls/trust_anchors.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::service {

// A call that was not allowed.
struct Refusal {
    // Who; not authenticated where the certificate did not verify, but named by it all the same.
    Caller caller;
    std::string method;
    // Unauthenticated or PermissionDenied.
    absl::Status reason;
    // Further ones that were refused since the last that was told of: strangers can't make this node tell without end.
    std::uint64_t untold = 0;
};
using RefusalListener = std::function<void(const Refusal&)>;

// Verifies the certificates of callers and asks the rules. What it found out of a certificate is kept as long as the
// certificate, its authorities and the trust anchors stay valid, for an hour at most.
class Authorizer {
 public:
    // `config` holds the rules and the nodes' identities. `now` is the wall clock.
    Authorizer(const config::v1::Config& config, std::shared_ptr<const tls::TrustAnchors> anchors,
               std::function<absl::Time()> now);

    // Told of refused calls, besides the log, on a thread of gRPC: MUST NOT block. Set before the first call comes.
    void OnRefused(RefusalListener listener) { on_refused_ = std::move(listener); }

    // A call on the protected listener by somebody with this certificate and those he sent with it, PEM; empty where he
    // has none.
    //
    // Unauthenticated (certificate, and what is wrong with it), PermissionDenied (no rule allows it).
    absl::StatusOr<std::shared_ptr<const Caller>> Check(absl::string_view certificate_pem, absl::string_view chain_pem,
                                                        absl::string_view method);

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
                    const std::vector<crypto::Certificate>& anchors) const;
    RuleSet RulesOn(absl::string_view method);
    absl::Status Refuse(const Caller& caller, absl::string_view method, absl::Status reason);

    const config::v1::NodeIdentity node_identity_;
    const AuthorizationRules rules_;
    const std::shared_ptr<const tls::TrustAnchors> anchors_;
    const std::function<absl::Time()> now_;
    RefusalListener on_refused_;
    runtime::RateLimit telling_;

    absl::Mutex mutex_;
    // By certificate, of the anchors of this generation. Anybody can have certificates refused, so those never push out
    // the others.
    std::uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
    Verdicts verified_ ABSL_GUARDED_BY(mutex_);
    Verdicts refused_ ABSL_GUARDED_BY(mutex_);
    absl::flat_hash_map<std::string, RuleSet> methods_ ABSL_GUARDED_BY(mutex_);
};

// The checks of the two listeners: the protected one asks `authorizer`, the public one lets everybody in, unknown.
std::shared_ptr<tls::CallCheck> ProtectedCalls(std::shared_ptr<Authorizer> authorizer);
std::shared_ptr<tls::CallCheck> PublicCalls();

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_AUTHORIZER_H_
