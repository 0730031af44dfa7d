// What this node shows to others, whom it trusts, and whom it lets in.
#ifndef PROVHUB_COMMON_SERVICE_NODE_TLS_H_
#define PROVHUB_COMMON_SERVICE_NODE_TLS_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/node/node_core.h"
#include "common/runtime/scheduler.h"
#include "common/service/authorizer.h"
#include "common/service/listener_credentials.h"
#include "common/service/tls_identity.h"
#include "common/tls/trust_anchors.h"

namespace provhub::service {

class NodeTls {
 public:
    // Reads caCert and the certificate of certStorage. FailedPrecondition: the node is to serve in normal mode and one
    // of them is missing; how to get it. In provisioning mode both may be missing. `core` and `scheduler` MUST outlive
    // the result.
    static absl::StatusOr<std::unique_ptr<NodeTls>> Create(const config::v1::Config& config, bool provisioning_mode,
                                                           node::NodeCore& core, runtime::Scheduler& scheduler);

    ~NodeTls() { identity_->Stop(); }

    // There in both modes; a node that is provisioned while it runs has an identity from then on.
    const std::shared_ptr<TlsIdentity>& identity() const { return identity_; }

    // Null where caCert was not there at the start, which is possible in provisioning mode only.
    const std::shared_ptr<tls::TrustAnchors>& anchors() const { return anchors_; }

    // Of calls that the protected listener refuses in normal mode. As Authorizer::OnRefused.
    void OnRefused(RefusalListener listener);

    // FailedPrecondition without an identity and in provisioning mode without caCert.
    absl::StatusOr<ListenerCredentials> NormalModeCredentials();

    // Reads caCert again; where it can't be used the anchors stay, and the log says so. Blocks on the disk.
    void Reload();

 private:
    explicit NodeTls(std::shared_ptr<TlsIdentity> identity) : identity_(std::move(identity)) {}

    const std::shared_ptr<TlsIdentity> identity_;
    std::shared_ptr<tls::TrustAnchors> anchors_;
    absl::Status no_anchors_;
    std::shared_ptr<Authorizer> authorizer_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_NODE_TLS_H_
