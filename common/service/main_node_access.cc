#include "common/service/main_node_access.h"

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/config/config.h"
#include "common/crypto/fingerprint.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/tls/ephemeral_identity.h"
#include "common/tls/known_servers.h"

namespace provhub::service {
namespace {

constexpr runtime::Log kLog("link");

// Of HOST:PORT, without the brackets of an IPv6 address.
std::string HostOf(absl::string_view address) {
    absl::string_view host = address.substr(0, address.rfind(':'));
    if (absl::ConsumePrefix(&host, "[")) {
        absl::ConsumeSuffix(&host, "]");
    }
    return std::string(host);
}

std::string ServerName(const config::v1::Config& config, absl::string_view address) {
    return config.main_server_name().empty() ? HostOf(address) : config.main_server_name();
}

absl::StatusOr<tls::FingerprintCheck> CreateCheck(const config::v1::Config& config) {
    if (!config.server_fingerprint().empty()) {
        ASSIGN_OR_RETURN(auto fingerprint, crypto::ParseFingerprint(config.server_fingerprint()));
        return tls::PinnedTo(std::move(fingerprint));
    }
    auto known = std::make_shared<tls::KnownServers>(absl::StrCat(config.working_dir(), "/known_servers"));
    const std::string address = config.main_iam_public_server_url();
    return tls::TrustedOnFirstUse(std::move(known), address, [address](absl::string_view fingerprint) {
        kLog.Warning(absl::StrCat("trusting ", address, " on first use; the SHA-256 fingerprint of its certificate is ",
                                  fingerprint));
    });
}

}  // namespace

absl::StatusOr<std::unique_ptr<MainNodeWays>> MainNodeWays::Create(
    const config::v1::Config& config, bool provisioning_mode, std::shared_ptr<const tls::TrustAnchors> anchors,
    std::shared_ptr<const tls::IdentitySource> identity) {
    if (provisioning_mode && !config.join_token_path().empty() && config::ProvisionsInPlaintext(config)) {
        return absl::InvalidArgumentError(
            "joinTokenPath doesn't go with provisioningTransport plaintext: anybody on the way could read the join "
            "token; use tls, or remove joinTokenPath");
    }
    auto ways = absl::WrapUnique(new MainNodeWays(config, provisioning_mode, std::move(anchors), std::move(identity)));
    ASSIGN_OR_RETURN(ways->check_, CreateCheck(config));
    return ways;
}

absl::StatusOr<MainNodeAccess> MainNodeWays::Next(node::NodeState state) {
    if (!provisioning_mode_) {
        return Proven();
    }
    const bool in_turn = state != node::NodeState::kUnprovisioned && attempts_.fetch_add(1) % 2 == 0;
    if (in_turn) {
        if (auto proven = Proven(); proven.ok()) {
            return proven;
        }
    }
    return Unproven();
}

absl::StatusOr<MainNodeAccess> MainNodeWays::Proven() {
    const std::string& address = config_.main_iam_protected_server_url();
    if (address.empty()) {
        return absl::FailedPreconditionError(
            "mainIamProtectedServerUrl is not set: it says where the main node's protected port is");
    }
    if (anchors_ == nullptr) {
        return absl::FailedPreconditionError("caCert was not there at the start: set it and restart");
    }
    ASSIGN_OR_RETURN(auto identity, identity_->Current());
    auto sessions = SessionsOf(identity->fingerprint);
    return MainNodeAccess{
        .address = address,
        .transport = "mutual TLS",
        .credentials = tls::VerifiedCredentials(anchors_, ServerName(config_, address), std::move(identity)),
        .sessions = std::move(sessions),
        .proven = true};
}

std::shared_ptr<const tls::SessionCache> MainNodeWays::SessionsOf(const std::string& fingerprint) {
    absl::MutexLock lock(&mutex_);
    if (sessions_ == nullptr || sessions_of_ != fingerprint) {
        sessions_ = std::make_shared<const tls::SessionCache>();
        sessions_of_ = fingerprint;
    }
    return sessions_;
}

void MainNodeWays::ForgetSessions() {
    absl::MutexLock lock(&mutex_);
    sessions_ = nullptr;
}

MainNodeAccess MainNodeWays::Unproven() const {
    const std::string& address = config_.main_iam_public_server_url();
    if (config::ProvisionsInPlaintext(config_)) {
        return {.address = address,
                .transport = "plaintext",
                .credentials = grpc::InsecureChannelCredentials(),
                .confidential = false};
    }
    const char* transport = config_.server_fingerprint().empty() ? "TLS, trusted on first use" : "TLS, pinned";
    return {.address = address,
            .transport = anchors_ == nullptr ? transport : absl::StrCat(transport, " or by caCert"),
            .credentials = anchors_ == nullptr
                               ? tls::FingerprintCredentials(check_)
                               : tls::VerifiedOrKnownCredentials(anchors_, ServerName(config_, address), check_),
            .server_name = tls::kEphemeralServerName};
}

}  // namespace provhub::service
