#include "common/service/authorizer.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/crypto/certificate.h"
#include "common/crypto/fingerprint.h"
#include "common/status/macros.h"
#include "common/status/shown.h"
#include "common/tls/verify_peer.h"

namespace provhub::service {
namespace {

// More than a main node has agents.
constexpr std::size_t kMaxVerdicts = 32'768;
constexpr std::size_t kMaxRefused = 64;
// More than an installation has.
constexpr std::size_t kMaxAuthorities = 16;
// More than there are methods; whoever asks for others has their patterns matched each time.
constexpr std::size_t kMaxMethods = 256;
constexpr absl::Duration kLongestVerdict = absl::Hours(1);
// Long enough that a client that tries again and again costs little, short for one who repairs something.
constexpr absl::Duration kRefusalVerdict = absl::Seconds(5);
// Of subjects and methods.
constexpr std::size_t kMaxInMessage = 128;

std::string NameOf(const crypto::Certificate& certificate) {
    return absl::StrCat(status::Shown(certificate.Subject(), kMaxInMessage), " (sha256 ",
                        crypto::Fingerprint(certificate), ")");
}

absl::Time GoodUntil(const crypto::Chain& chain, absl::Time now) {
    absl::Time end = std::min(chain.leaf.not_after(), now + kLongestVerdict);
    for (const crypto::Certificate& issuer : chain.intermediates) {
        end = std::min(end, issuer.not_after());
    }
    return end;
}

class ProtectedCheck final : public tls::CallCheck {
 public:
    explicit ProtectedCheck(std::shared_ptr<Authorizer> authorizer) : authorizer_(std::move(authorizer)) {}

    void Check(grpc_auth_context* connection, absl::string_view method, Done done) override {
        authorizer_->Check(PropertyOf(connection, GRPC_X509_PEM_CERT_PROPERTY_NAME),
                           PropertyOf(connection, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME), method,
                           [connection, done = std::move(done)](const auto& caller) mutable {
                               // Inside the check, where the connection is there.
                               if (caller.ok()) {
                                   NoteCaller(connection, **caller);
                               }
                               done(caller.status());
                           });
    }

 private:
    const std::shared_ptr<Authorizer> authorizer_;
};

class PublicCheck final : public tls::CallCheck {
 public:
    void Check(grpc_auth_context* connection, absl::string_view /*method*/, Done done) override {
        NoteCaller(connection, nobody_);
        done(absl::OkStatus());
    }

 private:
    const Caller nobody_{.authenticated = false, .name = "", .node_ids = {}, .listener = "public"};
};

}  // namespace

Authorizer::Authorizer(const config::v1::Config& config, std::shared_ptr<const tls::TrustAnchors> anchors,
                       std::function<absl::Time()> now)
    : node_identity_(config.node_identity()), rules_(config), anchors_(std::move(anchors)), now_(std::move(now)) {}

void Authorizer::Check(absl::string_view certificate_pem, absl::string_view chain_pem, absl::string_view method,
                       Done done) {
    if (certificate_pem.empty()) {
        Refuse({.authenticated = false, .name = "anonymous", .node_ids = {}, .listener = "protected"}, method,
               absl::UnauthenticatedError("no client certificate was shown: this listener asks for one that an "
                                          "authority of caCert has issued"),
               std::move(done));
        return;
    }
    const auto verdict = VerdictOn(certificate_pem, chain_pem);
    if (!verdict->verified.ok()) {
        Refuse(verdict->caller, method, verdict->verified, std::move(done));
    } else if ((verdict->rules & RulesOn(method)) == 0) {
        Refuse(verdict->caller, method,
               absl::PermissionDeniedError(absl::StrCat("no rule allows ", verdict->caller.name, " to call ",
                                                        status::Shown(method, kMaxInMessage),
                                                        ": see authorization in the configuration")),
               std::move(done));
    } else {
        done(std::shared_ptr<const Caller>(verdict, &verdict->caller));
    }
}

std::shared_ptr<const Authorizer::Verdict> Authorizer::VerdictOn(absl::string_view certificate_pem,
                                                                 absl::string_view chain_pem) {
    const absl::Time now = now_();
    const auto anchors = anchors_->Current();
    if (auto known = Known(certificate_pem, anchors->generation, now)) {
        return known;
    }
    auto verdict = std::make_shared<const Verdict>(Examine(certificate_pem, chain_pem, anchors->certificates));
    Keep(certificate_pem, anchors->generation, verdict);
    return verdict;
}

std::shared_ptr<const Authorizer::Verdict> Authorizer::Known(absl::string_view certificate_pem,
                                                             std::uint64_t generation, absl::Time now) {
    absl::MutexLock lock(&mutex_);
    if (generation_ != generation) {
        verified_.clear();
        refused_.clear();
        generation_ = generation;
    }
    for (const Verdicts* verdicts : {&verified_, &refused_}) {
        const auto known = verdicts->find(certificate_pem);
        if (known != verdicts->end() && now < known->second->good_until) {
            return known->second;
        }
    }
    return nullptr;
}

void Authorizer::Keep(absl::string_view certificate_pem, std::uint64_t generation,
                      std::shared_ptr<const Verdict> verdict) {
    const bool verified = verdict->verified.ok();
    absl::MutexLock lock(&mutex_);
    if (generation_ != generation) {
        return;
    }
    Verdicts& verdicts = verified ? verified_ : refused_;
    if (verdicts.size() >= (verified ? kMaxVerdicts : kMaxRefused)) {
        verdicts.clear();
    }
    verdicts.insert_or_assign(std::string(certificate_pem), std::move(verdict));
}

Authorizer::Verdict Authorizer::Examine(absl::string_view certificate_pem, absl::string_view chain_pem,
                                        const std::vector<crypto::Certificate>& anchors) {
    const absl::Time now = now_();
    Verdict verdict;
    verdict.caller = {
        .authenticated = false, .name = "a certificate that can't be read", .node_ids = {}, .listener = "protected"};
    verdict.good_until = now + kRefusalVerdict;
    const auto leaf = crypto::ParsePemCertificates(certificate_pem);
    auto others = chain_pem.empty() ? KnownAuthorities() : crypto::ParsePemCertificates(chain_pem);
    if (!leaf.ok() || !others.ok()) {
        verdict.verified = absl::UnauthenticatedError(
            absl::StrCat("the client certificate: ", (leaf.ok() ? others.status() : leaf.status()).message()));
        return verdict;
    }
    verdict.caller.name = NameOf(leaf->front());
    const auto chain = tls::VerifyPeer(leaf->front(), *others, anchors, tls::PeerRole::kClient, now);
    verdict.verified = chain.status();
    if (!chain.ok()) {
        return verdict;
    }
    Remember(chain->intermediates);
    verdict.caller.authenticated = true;
    verdict.caller.node_ids = NodeIdsOf(leaf->front(), node_identity_);
    verdict.rules = rules_.RulesFor(CallerAttributes(leaf->front()), verdict.caller.node_ids);
    verdict.good_until = GoodUntil(*chain, now);
    return verdict;
}

std::vector<crypto::Certificate> Authorizer::KnownAuthorities() {
    absl::MutexLock lock(&mutex_);
    return authorities_;
}

void Authorizer::Remember(const std::vector<crypto::Certificate>& authorities) {
    absl::MutexLock lock(&mutex_);
    for (const crypto::Certificate& authority : authorities) {
        const auto same = [&](const crypto::Certificate& known) { return known.Der() == authority.Der(); };
        if (std::ranges::none_of(authorities_, same)) {
            if (authorities_.size() >= kMaxAuthorities) {
                authorities_.erase(authorities_.begin());
            }
            authorities_.push_back(authority);
        }
    }
}

RuleSet Authorizer::RulesOn(absl::string_view method) {
    {
        absl::MutexLock lock(&mutex_);
        if (const auto known = methods_.find(method); known != methods_.end()) {
            return known->second;
        }
    }
    const RuleSet rules = rules_.RulesOn(method);
    absl::MutexLock lock(&mutex_);
    if (methods_.size() < kMaxMethods) {
        methods_.emplace(method, rules);
    }
    return rules;
}

void Authorizer::Refuse(const Caller& caller, absl::string_view method, const absl::Status& reason, Done done) {
    on_refused_({.caller = caller, .method = std::string(method), .node = "", .reason = reason},
                [reason, done = std::move(done)]() mutable { done(reason); });
}

std::shared_ptr<tls::CallCheck> ProtectedCalls(std::shared_ptr<Authorizer> authorizer) {
    return std::make_shared<ProtectedCheck>(std::move(authorizer));
}

std::shared_ptr<tls::CallCheck> PublicCalls() {
    return std::make_shared<PublicCheck>();
}

}  // namespace provhub::service
