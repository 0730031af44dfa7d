// The secondary node's process.
#ifndef PROVHUB_SECONDARYNODE_AGENT_APP_H_
#define PROVHUB_SECONDARYNODE_AGENT_APP_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/audit/audit_log.h"
#include "common/audit/audited_endpoint.h"
#include "common/node/node_core.h"
#include "common/runtime/daemon.h"
#include "common/runtime/listeners.h"
#include "common/runtime/scheduler.h"
#include "common/service/call_gate.h"
#include "common/service/callback_heartbeat.h"
#include "common/service/listener.h"
#include "common/service/listener_credentials.h"
#include "common/service/main_node_access.h"
#include "common/service/node_services.h"
#include "common/service/node_tls.h"
#include "common/service/refusal_records.h"
#include "secondarynode/link/hub_link.h"

namespace provhub {

// The node's operations, which the main node reaches through the link, and what the node tells the programs that run on
// it, through its two listeners.
class AgentApp final : public runtime::DaemonApp {
 public:
    // Serves when this returns; the main node need not be there yet.
    static absl::StatusOr<std::unique_ptr<runtime::DaemonApp>> Create(const config::v1::Config& config,
                                                                      bool provisioning_mode);
    ~AgentApp() override;

    void Drain(absl::Duration limit) override;
    // Reads caCert again.
    void Reload() override;

    int public_port() const { return public_->port(); }
    int protected_port() const { return protected_->port(); }

 private:
    AgentApp(std::unique_ptr<runtime::Scheduler> scheduler, std::unique_ptr<audit::AuditLog> audit_log,
             std::unique_ptr<node::NodeCore> core, std::unique_ptr<service::NodeTls> tls, bool provisioning_mode);

    absl::Status Serve(const config::v1::Config& config, const service::ListenerCredentials& credentials);
    // What the link calls.
    node::NodeEndpoint& Operations();
    void Connect(const config::v1::Config& config, std::shared_ptr<service::MainNodeWays> ways);

    const std::unique_ptr<runtime::Scheduler> scheduler_;
    // Null where the configuration asks for none.
    const std::unique_ptr<audit::AuditLog> audit_log_;
    const std::unique_ptr<node::NodeCore> core_;
    const std::unique_ptr<service::NodeTls> tls_;
    service::RefusalRecords refusals_;
    service::CallGate streams_;
    service::NodeServices services_;
    std::unique_ptr<service::Listener> public_;
    std::unique_ptr<service::Listener> protected_;
    // Before the node's operations where there is an audit log.
    std::optional<audit::AuditedEndpoint> audited_;
    std::unique_ptr<link::HubLink> link_;
    runtime::Subscription node_changes_;
    runtime::Subscription identity_changes_;
    const service::CallbackHeartbeat heartbeat_;
};

}  // namespace provhub

#endif  // PROVHUB_SECONDARYNODE_AGENT_APP_H_
