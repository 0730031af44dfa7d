#include "tests/support/fake_unit.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "secondarynode/link/hub_channel.h"

namespace provhub::test {

FakeMainNode::FakeMainNode(int public_port, int protected_port,
                           const std::shared_ptr<grpc::ServerCredentials>& credentials)
    : scheduler_(runtime::CreateScheduler(4)) {
    MainNodeOptions options;
    options.registry_path = dir_.File("registry.db");
    options.join_tokens_path = dir_.File("registry_tokens.db");
    options.join_tokens_path = dir_.File("join_tokens.db");
    options.public_address = absl::StrCat("127.0.0.1:", public_port);
    options.protected_address = absl::StrCat("127.0.0.1:", protected_port);
    options.provisioning_mode = true;
    const auto used = credentials == nullptr ? grpc::InsecureServerCredentials() : credentials;
    auto node = MainNode::Start(options, {used, used, ""}, core_, identity_, *scheduler_);
    if (!node.ok()) {
        std::cerr << node.status() << std::endl;
        std::abort();
    }
    node_ = *std::move(node);
}

FakeMainNode::~FakeMainNode() = default;

std::string FakeMainNode::public_address() const {
    return absl::StrCat("127.0.0.1:", public_port());
}

std::shared_ptr<grpc::Channel> FakeMainNode::NewChannel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", protected_port()), grpc::InsecureChannelCredentials(),
                                     arguments);
}

bool FakeMainNode::WaitForConnection(const std::string& node_id, bool connected, absl::Duration limit) const {
    absl::Mutex mutex;
    bool seen = false;
    const auto subscription = node_->registry().Subscribe([&](const registry::NodeChange& change) {
        if (change.node->info().node_id() == node_id) {
            absl::MutexLock lock(&mutex);
            seen = change.node->connected() == connected;
        }
    });
    const auto node = node_->registry().Find(node_id);
    absl::MutexLock lock(&mutex);
    return (node != nullptr && node->connected() == connected) || mutex.AwaitWithTimeout(absl::Condition(&seen), limit);
}

std::string FakeMainNode::StateOf(const std::string& node_id) const {
    const auto node = node_->registry().Find(node_id);
    return node == nullptr ? "" : node->info().state();
}

FakeAgent::FakeAgent(const std::string& node_id, const std::string& address, runtime::Scheduler& scheduler,
                     node::NodeEndpoint* operations)
    : core_(node_id, /*main_node=*/false),
      link_(std::make_unique<link::HubLink>(
          link::ConnectTo(
              {.address = address, .transport = "plaintext", .credentials = grpc::InsecureChannelCredentials()}),
          [this] { return core_.current_node().Info(); }, operations == nullptr ? core_.operations() : *operations,
          scheduler, link::HubLinkOptions())),
      changes_(core_.current_node().Subscribe([this](const iamanager::v6::NodeInfo&) { link_->NodeChanged(); })) {}

}  // namespace provhub::test
