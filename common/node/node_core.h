// What every node runs, wired together: description, state, tokens, certificates, provisioning.
#ifndef PROVHUB_COMMON_NODE_NODE_CORE_H_
#define PROVHUB_COMMON_NODE_NODE_CORE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/cert/cert_directory.h"
#include "common/hsm/hsm.h"
#include "common/node/current_node.h"
#include "common/node/node_endpoint.h"
#include "common/provisioning/password_gate.h"
#include "common/provisioning/platform_hooks.h"
#include "common/runtime/scheduler.h"
#include "common/tls/identity.h"

namespace provhub::config::v1 {
class Config;
}

namespace provhub::node {

struct NodeCoreOptions {
    bool main_node = false;
    // --provisioning
    bool provisioning_mode = false;
};

// What a node core is built on.
struct NodeCoreDependencies {
    std::function<absl::StatusOr<std::unique_ptr<hsm::Hsm>>(const hsm::TokenSelector& selector,
                                                            const std::string& state_dir)>
        open_token;
    std::unique_ptr<provisioning::PlatformHooks> hooks;
    provisioning::ScryptCost password_cost;
};

class NodeCore {
 public:
    // Takes the working directory (FailedPrecondition when another process has it), opens the database and the tokens,
    // finishes a deprovisioning that was cut off, and removes what a kill left half made. Blocks. `scheduler` MUST
    // outlive the result.
    static absl::StatusOr<std::unique_ptr<NodeCore>> Create(const config::v1::Config& config,
                                                            const NodeCoreOptions& options,
                                                            runtime::Scheduler& scheduler);
    // Kills platform programs and waits for running operations; their callers have been answered by then.
    virtual ~NodeCore() = default;

    // The same with tokens and platform programs of the caller's choice.
    static absl::StatusOr<std::unique_ptr<NodeCore>> Create(const config::v1::Config& config,
                                                            const NodeCoreOptions& options,
                                                            runtime::Scheduler& scheduler,
                                                            NodeCoreDependencies dependencies);

    virtual CurrentNode& current_node() = 0;
    virtual cert::CertDirectory& certificates() = 0;
    // This node's own operations. They honour the context's deadline: the caller is answered with DeadlineExceeded when
    // it passes, even while the work can't be stopped.
    virtual NodeEndpoint& operations() = 0;

    // A certificate of the directory as a TLS identity: its chain, and its key in the token by hsm::EngineKey, which
    // has just signed a nonce that the certificate verifies. Blocks on the token.
    virtual absl::StatusOr<tls::Identity> LoadIdentity(const cert::CertRecord& record) = 0;
};

// What Create would stumble over, as far as it can be seen without changing or opening anything: working directory,
// module libraries, hook programs, files. One status for each fault, in the configuration's order.
std::vector<absl::Status> CheckNodeConfig(const config::v1::Config& config);

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_NODE_CORE_H_
