// provhub-main, wired together.
#ifndef PROVHUB_MAINNODE_MAIN_NODE_APP_H_
#define PROVHUB_MAINNODE_MAIN_NODE_APP_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/node/identity.h"
#include "common/node/node_core.h"
#include "common/runtime/daemon.h"
#include "common/runtime/scheduler.h"
#include "mainnode/main_node.h"

namespace provhub {

class MainNodeApp final : public runtime::DaemonApp {
 public:
    static absl::StatusOr<std::unique_ptr<runtime::DaemonApp>> Create(const config::v1::Config& config,
                                                                      bool provisioning_mode);
    // What Create would stumble over, as far as it can be seen without starting.
    static std::vector<absl::Status> Check(const config::v1::Config& config);

    void Drain(absl::Duration limit) override;
    // There is nothing to read anew: a change of the configuration takes a restart.
    void Reload() override;

 private:
    MainNodeApp() = default;

    // In the order of their making; what comes later uses what comes before.
    std::unique_ptr<runtime::Scheduler> scheduler_;
    std::unique_ptr<node::NodeCore> core_;
    std::unique_ptr<node::Identity> identity_;
    std::unique_ptr<MainNode> main_node_;
};

}  // namespace provhub

#endif  // PROVHUB_MAINNODE_MAIN_NODE_APP_H_
