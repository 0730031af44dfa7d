// Refused calls and handshakes in the audit log.
#ifndef PROVHUB_COMMON_SERVICE_REFUSAL_RECORDS_H_
#define PROVHUB_COMMON_SERVICE_REFUSAL_RECORDS_H_

#include <string>

#include "common/audit/audit_log.h"
#include "common/service/node_tls.h"

namespace provhub::service {

// While it lives, each refused call that a node's TLS tells of and each failed handshake that is logged leaves a record
// "refused". One in a process at a time.
class RefusalRecords {
 public:
    // Does nothing where `log` is null, which MUST outlive `tls` and this object otherwise. Before calls come.
    RefusalRecords(NodeTls& tls, audit::AuditLog* log, const std::string& node_id);
    ~RefusalRecords();
    RefusalRecords(const RefusalRecords&) = delete;
    RefusalRecords& operator=(const RefusalRecords&) = delete;

    // Leaves one more record, of what somebody wanted of `node`. Thread-safe, never blocks.
    void Append(const Refusal& refusal, const std::string& node) const;

 private:
    audit::AuditLog* const log_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_REFUSAL_RECORDS_H_
