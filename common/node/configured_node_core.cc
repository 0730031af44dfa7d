#include "common/hsm/pkcs11_hsm.h"
#include "common/node/node_core.h"
#include "common/provisioning/platform_hooks.h"

namespace provhub::node {

absl::StatusOr<std::unique_ptr<NodeCore>> NodeCore::Create(const config::v1::Config& config,
                                                           const NodeCoreOptions& options,
                                                           runtime::Scheduler& scheduler) {
    return Create(
        config, options, scheduler,
        {.open_token = hsm::CreatePkcs11Hsm, .hooks = provisioning::CreatePlatformHooks(config), .password_cost = {}});
}

}  // namespace provhub::node
