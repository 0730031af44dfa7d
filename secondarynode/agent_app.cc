#include "secondarynode/agent_app.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/audit/configured_log.h"
#include "common/config/config.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "secondarynode/link/hub_channel.h"
#include "secondarynode/link/join_secrets.h"

namespace provhub {
namespace {

constexpr runtime::Log kLog("agent");

// Operations on different tokens and platform hooks side by side.
constexpr int kBlockingThreads = 8;

// Of the time to drain, what remains for the listeners when the main node's calls have used up theirs.
constexpr double kListenersShare = 0.2;

}  // namespace

absl::StatusOr<std::unique_ptr<runtime::DaemonApp>> AgentApp::Create(const config::v1::Config& config,
                                                                     bool provisioning_mode) {
    auto scheduler = runtime::CreateScheduler(kBlockingThreads);
    ASSIGN_OR_RETURN(auto audit_log, audit::OpenConfiguredLog(config, *scheduler));
    ASSIGN_OR_RETURN(auto core, node::NodeCore::Create(
                                    config, {.main_node = false, .provisioning_mode = provisioning_mode}, *scheduler));
    ASSIGN_OR_RETURN(auto tls, service::NodeTls::Create(config, provisioning_mode, *core, *scheduler));
    ASSIGN_OR_RETURN(auto ways,
                     service::MainNodeWays::Create(config, provisioning_mode, tls->anchors(), tls->identity()));
    ASSIGN_OR_RETURN(const auto credentials, service::ChooseListenerCredentials(config, provisioning_mode, *tls));
    RETURN_IF_ERROR(service::PublishFingerprint(config, credentials));
    std::unique_ptr<AgentApp> app(
        new AgentApp(std::move(scheduler), std::move(audit_log), std::move(core), std::move(tls), provisioning_mode));
    RETURN_IF_ERROR(app->Serve(config, credentials));
    app->Connect(config, std::move(ways));
    return app;
}

AgentApp::AgentApp(std::unique_ptr<runtime::Scheduler> scheduler, std::unique_ptr<audit::AuditLog> audit_log,
                   std::unique_ptr<node::NodeCore> core, std::unique_ptr<service::NodeTls> tls, bool provisioning_mode)
    : scheduler_(std::move(scheduler)),
      audit_log_(std::move(audit_log)),
      core_(std::move(core)),
      tls_(std::move(tls)),
      refusals_(audit_log_.get(), *scheduler_, core_->current_node().id()),
      streams_(service::kMaxChangeStreams),
      services_(*core_, /*main_node=*/false, provisioning_mode, *scheduler_, streams_),
      heartbeat_(*scheduler_) {
    tls_->OnRefused(refusals_.Listener());
}

AgentApp::~AgentApp() = default;

absl::Status AgentApp::Serve(const config::v1::Config& config, const service::ListenerCredentials& credentials) {
    ASSIGN_OR_RETURN(public_, service::Listener::Start({.name = "public",
                                                        .address = config.iam_public_server_url(),
                                                        .credentials = credentials.public_listener,
                                                        .services = services_.all()}));
    ASSIGN_OR_RETURN(protected_, service::Listener::Start({.name = "protected",
                                                           .address = config.iam_protected_server_url(),
                                                           .credentials = credentials.protected_listener,
                                                           .services = services_.all()}));
    public_->SetServing(true);
    protected_->SetServing(true);
    return absl::OkStatus();
}

node::NodeEndpoint& AgentApp::Operations() {
    if (audit_log_ == nullptr) {
        return core_->operations();
    }
    return audited_.emplace(core_->current_node().id(), core_->operations(), *audit_log_, *scheduler_);
}

void AgentApp::Connect(const config::v1::Config& config, std::shared_ptr<service::MainNodeWays> ways) {
    const link::JoinSecrets secrets(config.join_token_path(), absl::StrCat(config.working_dir(), "/rejoin_secret"));
    link::HubLinkOptions options;
    options.max_delay = config::ToDuration(config.node_reconnect_interval());
    options.time_limit = config::ToDuration(config.timeouts().forward());
    options.keep_rejoin_secret = [secrets](const std::string& rejoin_secret) {
        if (const absl::Status kept = secrets.Keep(rejoin_secret); !kept.ok()) {
            kLog.Warning(absl::StrCat("the next connection will need a new join token: ", kept.message()));
        }
    };
    node::CurrentNode& node = core_->current_node();
    auto connect = [ways = std::move(ways), secrets,
                    &node](const link::ConnectRequest& request) -> absl::StatusOr<link::HubChannel> {
        if (request.refused) {
            ways->ForgetSessions();
        }
        ASSIGN_OR_RETURN(const auto access, request.handover ? ways->Proven() : ways->Next(node.state()));
        link::HubChannel channel = link::OpenChannel(access, request.timeout);
        if (!access.proven && access.confidential) {
            ASSIGN_OR_RETURN(channel.metadata, secrets.Metadata());
        }
        return channel;
    };
    link_ = std::make_unique<link::HubLink>(
        std::move(connect), [&node] { return node.Info(); }, Operations(), *scheduler_, std::move(options));
    identity_changes_ = tls_->identity()->Subscribe([this] { link_->Renew(); });
    node_changes_ = node.Subscribe([this](const iamanager::v6::NodeInfo&) { link_->NodeChanged(); });
    // For a change between the two lines above.
    link_->NodeChanged();
}

void AgentApp::Drain(absl::Duration limit) {
    const absl::Time deadline = absl::Now() + limit;
    public_->SetServing(false);
    protected_->SetServing(false);
    streams_.Close();
    streams_.StopAll(absl::UnavailableError("the node is shutting down"));
    link_->Drain(limit * (1 - kListenersShare));
    protected_->Shutdown(deadline);
    public_->Shutdown(deadline);
}

void AgentApp::Reload() {
    tls_->Reload();
    kLog.Notice("the rest of the configuration is read at start only; restart to apply a changed one");
}

}  // namespace provhub
