// Refused calls in the audit log.
#ifndef PROVHUB_COMMON_SERVICE_REFUSAL_RECORDS_H_
#define PROVHUB_COMMON_SERVICE_REFUSAL_RECORDS_H_

#include <string>

#include "common/audit/audit_log.h"
#include "common/service/node_tls.h"

namespace provhub::service {

// From now on each refusal that `tls` tells of leaves a record "refused" in `log`; nothing is done where that is null.
// `log` MUST outlive `tls`. Before calls come.
void RecordRefusals(NodeTls& tls, audit::AuditLog* log, std::string node_id);

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_REFUSAL_RECORDS_H_
