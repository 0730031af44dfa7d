// The main node's part of a process: registry, hub, services and both listeners, on top of the node's own core.
#ifndef PROVHUB_MAINNODE_MAIN_NODE_H_
#define PROVHUB_MAINNODE_MAIN_NODE_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/audit/audit_log.h"
#include "common/audit/audited_endpoint.h"
#include "common/node/identity.h"
#include "common/node/node_core.h"
#include "common/runtime/scheduler.h"
#include "common/service/call_gate.h"
#include "common/service/callback_heartbeat.h"
#include "common/service/listener.h"
#include "common/service/listener_credentials.h"
#include "common/service/node_services.h"
#include "mainnode/api/forwarder.h"
#include "mainnode/api/identity_service.h"
#include "mainnode/api/join_token_service.h"
#include "mainnode/api/node_directory_service.h"
#include "mainnode/api/operation_services.h"
#include "mainnode/api/public_nodes_service.h"
#include "mainnode/hub/node_router.h"
#include "mainnode/hub/node_session.h"
#include "mainnode/hub/session_table.h"
#include "mainnode/join/join_tokens.h"
#include "mainnode/registry/node_registry.h"

namespace provhub {

struct MainNodeOptions {
    std::string registry_path;
    std::string join_tokens_path;
    std::string public_address;
    std::string protected_address;
    bool provisioning_mode = false;
    // Where operations are recorded; nowhere where this is null. MUST outlive the node.
    audit::AuditLog* audit_log = nullptr;
    // own_id is filled in.
    hub::RouterOptions limits;
    hub::PendingOptions pending;
    hub::SessionOptions sessions;
    // How many calls, and how many RegisterNode streams, are served at a time.
    std::size_t max_calls = 65'536;
    std::size_t max_streams_of_nodes = 20'000;
};

class MainNode {
 public:
    // Serving, and saying so by the health service, when this returns. What it is given MUST outlive it.
    static absl::StatusOr<std::unique_ptr<MainNode>> Start(const MainNodeOptions& options,
                                                           const service::ListenerCredentials& credentials,
                                                           node::NodeCore& core, node::Identity& identity,
                                                           runtime::Scheduler& scheduler);
    ~MainNode();

    // Takes no new calls, lets the running ones finish for most of `limit`, answers those that are left, ends the
    // streams and returns when all is over, within `limit`. Called at most once.
    void Drain(absl::Duration limit);

    int public_port() const { return public_->port(); }
    int protected_port() const { return protected_->port(); }
    registry::NodeRegistry& registry() { return *registry_; }
    const hub::HubCounters& counters() const { return table_.counters(); }
    std::size_t PendingCallsOf(absl::string_view node_id) { return table_.PendingCallsOf(node_id); }

 private:
    MainNode(const MainNodeOptions& options, std::unique_ptr<registry::NodeRegistry> registry,
             std::unique_ptr<join::JoinTokens> tokens, node::NodeCore& core, node::Identity& identity,
             runtime::Scheduler& scheduler);

    absl::Status Listen(const MainNodeOptions& options, const service::ListenerCredentials& credentials);
    // What the forwarder calls.
    node::NodeEndpoint& Audited(audit::AuditLog* log, const runtime::Scheduler& clock);
    std::vector<grpc::Service*> PublicServices();
    std::vector<grpc::Service*> ProtectedServices();

    const std::unique_ptr<registry::NodeRegistry> registry_;
    const std::unique_ptr<join::JoinTokens> tokens_;
    service::CallGate calls_;
    service::CallGate change_streams_;
    service::CallGate node_streams_;
    hub::SessionTable table_;
    hub::SessionEnvironment sessions_;
    hub::NodeRouter router_;
    // Before the router where there is an audit log.
    std::optional<audit::AuditedEndpoint> audited_;
    api::Forwarder forwarder_;

    service::NodeServices node_services_;
    api::IdentityService identity_service_;
    api::PublicNodesService public_nodes_service_;
    api::NodeDirectoryService directory_service_;
    api::NodesService nodes_service_;
    api::ProvisioningService provisioning_service_;
    api::CertificateService certificate_service_;
    api::JoinTokenService join_token_service_;

    std::unique_ptr<service::Listener> public_;
    std::unique_ptr<service::Listener> protected_;
    const service::CallbackHeartbeat heartbeat_;
    bool drained_ = false;
};

}  // namespace provhub

#endif  // PROVHUB_MAINNODE_MAIN_NODE_H_
