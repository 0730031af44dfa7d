// What `provctl audit verify` says.
#ifndef PROVHUB_TOOLS_PROVCTL_AUDIT_REPORT_H_
#define PROVHUB_TOOLS_PROVCTL_AUDIT_REPORT_H_

#include <string>

#include "common/audit/chain_scan.h"

namespace provhub::provctl {

std::string AuditTable(const audit::Verification& verification);
// {"intact": …, "files": …, "records": …, "firstSeq": …, "lastSeq": …, "lastHash": …, "incompleteBytes": …}, and
// "break": {"file", "line", "reason"} where it is not intact.
std::string AuditJson(const audit::Verification& verification);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_AUDIT_REPORT_H_
