// provhub-main, wired together.
#ifndef PROVHUB_MAINNODE_MAIN_NODE_APP_H_
#define PROVHUB_MAINNODE_MAIN_NODE_APP_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "common/audit/audit_log.h"
#include "common/node/file_identity.h"
#include "common/node/node_core.h"
#include "common/runtime/daemon.h"
#include "common/runtime/scheduler.h"
#include "common/service/node_tls.h"
#include "common/service/refusal_records.h"
#include "mainnode/main_node.h"
#include "mainnode/subjects_watch.h"

namespace provhub {

class MainNodeApp final : public runtime::DaemonApp {
 public:
    static absl::StatusOr<std::unique_ptr<runtime::DaemonApp>> Create(const config::v1::Config& config,
                                                                      bool provisioning_mode);
    void Drain(absl::Duration limit) override;
    // Reads caCert again. What else may change while the process runs is looked at without being told to.
    void Reload() override;

 private:
    MainNodeApp() = default;

    // In the order of their making; what comes later uses what comes before.
    std::unique_ptr<runtime::Scheduler> scheduler_;
    // Null where the configuration asks for none.
    std::unique_ptr<audit::AuditLog> audit_log_;
    std::unique_ptr<node::NodeCore> core_;
    std::unique_ptr<service::NodeTls> tls_;
    std::optional<service::RefusalRecords> refusals_;
    std::shared_ptr<node::FileIdentity> identity_;
    std::shared_ptr<SubjectsWatch> subjects_watch_;
    std::unique_ptr<MainNode> main_node_;
};

}  // namespace provhub

#endif  // PROVHUB_MAINNODE_MAIN_NODE_APP_H_
