#include "mainnode/main_node.h"

#include <algorithm>
#include <utility>

#include "common/status/macros.h"

namespace provhub {
namespace {

hub::RouterOptions WithOwnId(hub::RouterOptions options, const std::string& own_id) {
    options.own_id = own_id;
    return options;
}

hub::SessionOptions WithMode(hub::SessionOptions options, bool provisioning_mode) {
    options.provisioning_mode = provisioning_mode;
    return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MainNode>> MainNode::Start(const MainNodeOptions& options,
                                                          const service::ListenerCredentials& credentials,
                                                          node::NodeCore& core, node::Identity& identity,
                                                          runtime::Scheduler& scheduler) {
    ASSIGN_OR_RETURN(auto registry,
                     registry::NodeRegistry::Open(options.registry_path, core.current_node(), scheduler));
    ASSIGN_OR_RETURN(auto tokens,
                     join::JoinTokens::Open(options.join_tokens_path, [&scheduler] { return scheduler.Now(); }));
    auto main_node = std::unique_ptr<MainNode>(
        new MainNode(options, std::move(registry), std::move(tokens), core, identity, scheduler));
    RETURN_IF_ERROR(main_node->Listen(options, credentials));
    return main_node;
}

MainNode::MainNode(const MainNodeOptions& options, std::unique_ptr<registry::NodeRegistry> registry,
                   std::unique_ptr<join::JoinTokens> tokens, node::NodeCore& core, node::Identity& identity,
                   runtime::Scheduler& scheduler)
    : registry_(std::move(registry)),
      tokens_(std::move(tokens)),
      calls_(options.max_calls),
      change_streams_(service::kMaxChangeStreams),
      node_streams_(options.max_streams_of_nodes),
      table_(*registry_, options.pending, scheduler),
      sessions_{table_, node_streams_, *tokens_, scheduler, WithMode(options.sessions, options.provisioning_mode)},
      router_(WithOwnId(options.limits, registry_->own_id()), core.operations(), table_, identity, scheduler),
      forwarder_({registry_->own_id()}, Audited(options.audit_log, scheduler), calls_, scheduler),
      node_services_(core, /*main_node=*/true, options.provisioning_mode, scheduler, change_streams_,
                     [this](auto* context, const auto& request, auto* response) {
                         return forwarder_.Forward(node::Request::kListCertificatesRequest, context, request, response);
                     }),
      identity_service_(identity, scheduler, change_streams_),
      public_nodes_service_(*registry_, sessions_, change_streams_),
      directory_service_(*registry_, change_streams_),
      nodes_service_(forwarder_),
      provisioning_service_(forwarder_),
      certificate_service_(forwarder_),
      join_token_service_(*tokens_, scheduler),
      heartbeat_(scheduler) {}

node::NodeEndpoint& MainNode::Audited(audit::AuditLog* log, const runtime::Scheduler& clock) {
    if (log == nullptr) {
        return router_;
    }
    return audited_.emplace(registry_->own_id(), router_, *log, clock);
}

MainNode::~MainNode() {
    if (!drained_) {
        Drain(absl::ZeroDuration());
    }
}

absl::Status MainNode::Listen(const MainNodeOptions& options, const service::ListenerCredentials& credentials) {
    ASSIGN_OR_RETURN(public_, service::Listener::Start(
                                  {"public", options.public_address, credentials.public_listener, PublicServices()}));
    ASSIGN_OR_RETURN(protected_, service::Listener::Start({"protected", options.protected_address,
                                                           credentials.protected_listener, ProtectedServices()}));
    public_->SetServing(true);
    protected_->SetServing(true);
    return absl::OkStatus();
}

std::vector<grpc::Service*> MainNode::PublicServices() {
    std::vector<grpc::Service*> services = node_services_.all();
    services.insert(services.end(), {&identity_service_, &public_nodes_service_, &directory_service_});
    return services;
}

std::vector<grpc::Service*> MainNode::ProtectedServices() {
    std::vector<grpc::Service*> services = PublicServices();
    services.insert(services.end(),
                    {&nodes_service_, &provisioning_service_, &certificate_service_, &join_token_service_});
    return services;
}

void MainNode::Drain(absl::Duration limit) {
    drained_ = true;
    const absl::Time begin = absl::Now();
    // Each step may use what those before it have left of the time.
    const auto at = [&](double share) { return begin + limit * share; };
    for (service::CallGate* gate : {&calls_, &change_streams_, &node_streams_}) {
        gate->Close();
    }
    for (auto* listener : {public_.get(), protected_.get()}) {
        if (listener != nullptr) {
            listener->SetServing(false);
        }
    }
    change_streams_.StopAll(absl::UnavailableError("the server is shutting down"));
    calls_.AwaitEmpty(at(0.7));
    // Fails the forwarded calls that are left, each saying whether the node has it.
    node_streams_.StopAll(absl::UnavailableError("the main node is shutting down"));
    calls_.AwaitEmpty(at(0.75));
    calls_.StopAll(absl::AbortedError("the server is shutting down; the outcome of the operation is unknown"));
    calls_.AwaitEmpty(at(0.85));
    node_streams_.AwaitEmpty(at(0.9));
    for (auto* listener : {public_.get(), protected_.get()}) {
        if (listener != nullptr) {
            listener->Shutdown(std::min(at(1.0), absl::Now() + absl::Milliseconds(100)));
        }
    }
}

}  // namespace provhub
