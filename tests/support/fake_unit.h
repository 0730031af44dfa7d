// A main node and its secondary nodes in this process: real hub, services, registry and links; only the tokens are the
// test's to play.
#ifndef PROVHUB_TESTS_SUPPORT_FAKE_UNIT_H_
#define PROVHUB_TESTS_SUPPORT_FAKE_UNIT_H_

#include <grpcpp/channel.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/listeners.h"
#include "common/runtime/scheduler.h"
#include "mainnode/main_node.h"
#include "secondarynode/link/hub_link.h"
#include "tests/support/fake_core.h"
#include "tests/support/temp_dir.h"

namespace provhub::test {

class FakeMainNode {
 public:
    // Port 0: one that is free. Without `credentials` in plaintext.
    explicit FakeMainNode(int public_port = 0, int protected_port = 0,
                          const std::shared_ptr<grpc::ServerCredentials>& credentials = nullptr);
    // Cuts what is open.
    ~FakeMainNode();

    FakeCore& core() { return core_; }
    FakeIdentity& identity() { return identity_; }
    MainNode& node() { return *node_; }
    int public_port() const { return node_->public_port(); }
    int protected_port() const { return node_->protected_port(); }
    // Where nodes register.
    std::string public_address() const;

    // A channel to the protected listener with a connection of its own.
    std::shared_ptr<grpc::Channel> NewChannel() const;

    // False when the node is not (or, for false, still) connected after `limit`.
    bool WaitForConnection(const std::string& node_id, bool connected = true,
                           absl::Duration limit = absl::Seconds(20)) const;
    // The state of the node in the registry; empty where it is unknown.
    std::string StateOf(const std::string& node_id) const;

 private:
    TempDir dir_;
    std::unique_ptr<runtime::Scheduler> scheduler_;
    FakeCore core_{"main"};
    FakeIdentity identity_;
    std::unique_ptr<MainNode> node_;
};

class FakeAgent {
 public:
    // Connects to the main node at `address`. Its operations are the test's to carry out, or those of `operations`,
    // which MUST outlive it.
    FakeAgent(const std::string& node_id, const std::string& address, runtime::Scheduler& scheduler,
              node::NodeEndpoint* operations = nullptr);

    FakeCore& core() { return core_; }
    link::HubLink& link() { return *link_; }

 private:
    FakeCore core_;
    std::unique_ptr<link::HubLink> link_;
    runtime::Subscription changes_;
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_FAKE_UNIT_H_
