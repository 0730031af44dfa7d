#include "common/audit/configured_log.h"

#include "common/status/status.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::audit {

absl::StatusOr<std::unique_ptr<AuditLog>> OpenConfiguredLog(const config::v1::Config& config,
                                                            const runtime::Scheduler& clock) {
    if (config.audit_log_path().empty()) {
        return nullptr;
    }
    auto log = AuditLog::Open({.path = config.audit_log_path(),
                               .max_bytes = config.audit_log_max_bytes(),
                               .max_files = static_cast<int>(config.audit_log_max_files())},
                              clock);
    return log.ok() ? std::move(log) : status::Annotate(log.status(), "auditLogPath");
}

}  // namespace provhub::audit
