// The audit log that a configuration asks for.
#ifndef PROVHUB_COMMON_AUDIT_CONFIGURED_LOG_H_
#define PROVHUB_COMMON_AUDIT_CONFIGURED_LOG_H_

#include <memory>

#include "absl/status/statusor.h"
#include "common/audit/audit_log.h"
#include "common/runtime/scheduler.h"

namespace provhub::config::v1 {
class Config;
}

namespace provhub::audit {

// Null where auditLogPath is not set. The errors are those of AuditLog::Open.
absl::StatusOr<std::unique_ptr<AuditLog>> OpenConfiguredLog(const config::v1::Config& config,
                                                            const runtime::Scheduler& clock);

}  // namespace provhub::audit

#endif  // PROVHUB_COMMON_AUDIT_CONFIGURED_LOG_H_
