#include "common/service/node_tls.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/node/node_state.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "common/tls/server_credentials.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::service {
namespace {

constexpr runtime::Log kLog("tls");

std::string Describe(const tls::TrustAnchors::Set& anchors) {
    return absl::StrJoin(anchors.certificates, "; ", [](std::string* out, const crypto::Certificate& anchor) {
        absl::StrAppend(out, anchor.Subject(), " until ", absl::FormatTime(anchor.not_after(), absl::UTCTimeZone()));
    });
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeTls>> NodeTls::Create(const config::v1::Config& config, bool provisioning_mode,
                                                         node::NodeCore& core, runtime::Scheduler& scheduler) {
    auto tls = absl::WrapUnique(new NodeTls(std::make_shared<TlsIdentity>(config.cert_storage(), core, scheduler)));
    auto anchors = tls::TrustAnchors::Load(config.ca_cert());
    if (anchors.ok()) {
        tls->anchors_ = *std::move(anchors);
        tls->authorizer_ =
            std::make_shared<Authorizer>(config, tls->anchors_, [&scheduler] { return scheduler.Now(); });
    } else {
        tls->no_anchors_ = anchors.status();
    }
    if (!provisioning_mode) {
        RETURN_IF_ERROR(status::Annotate(tls->identity_->Current().status(), "normal mode needs a certificate"));
        RETURN_IF_ERROR(tls->no_anchors_);
        kLog.Notice(absl::StrCat("trusting ", Describe(*tls->anchors_->Current())));
    } else if (core.current_node().state() != node::NodeState::kUnprovisioned) {
        kLog.Warning(
            "this node has been provisioned already, and in provisioning mode it lets in everybody who can reach it: "
            "that is for provisioning it again or for Deprovision; restart it without --provisioning to use it");
    }
    return tls;
}

void NodeTls::OnRefused(RefusalListener listener) {
    if (authorizer_ != nullptr) {
        authorizer_->OnRefused(std::move(listener));
    }
}

absl::StatusOr<ListenerCredentials> NodeTls::NormalModeCredentials() {
    RETURN_IF_ERROR(identity_->Current().status());
    RETURN_IF_ERROR(no_anchors_);
    ListenerCredentials credentials;
    credentials.public_listener =
        tls::IdentityServerCredentials(identity_, anchors_, tls::ClientCertificate::kNotRequested, PublicCalls());
    credentials.protected_listener = tls::IdentityServerCredentials(
        identity_, anchors_, tls::ClientCertificate::kRequested, ProtectedCalls(authorizer_));
    return credentials;
}

void NodeTls::Reload() {
    if (anchors_ == nullptr) {
        kLog.Notice("caCert was not there at the start: restart to use it");
        return;
    }
    const auto changed = anchors_->Reload();
    if (!changed.ok()) {
        kLog.Error(absl::StrCat(changed.status().message(), "; the trust anchors read before stay in use"));
    } else {
        kLog.Notice(absl::StrCat(*changed ? "caCert has changed, now trusting " : "caCert is unchanged, trusting ",
                                 Describe(*anchors_->Current())));
    }
}

}  // namespace provhub::service
