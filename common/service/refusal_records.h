// Refused calls, streams and handshakes in the log and in the audit log.
#ifndef PROVHUB_COMMON_SERVICE_REFUSAL_RECORDS_H_
#define PROVHUB_COMMON_SERVICE_REFUSAL_RECORDS_H_

#include <string>

#include "absl/functional/any_invocable.h"
#include "common/audit/audit_log.h"
#include "common/runtime/rate_limit.h"
#include "common/runtime/scheduler.h"
#include "common/service/refusal.h"

namespace provhub::service {

// Leaves a record "refused" of each handshake that fails while it lives, and of each refusal that it is told of.
// Strangers can't make it write without end: refusals that come too fast are only counted. One in a process at a time.
class RefusalRecords {
 public:
    // `log` may be null, then only this process's log tells. Both arguments MUST outlive this object.
    RefusalRecords(audit::AuditLog* log, const runtime::Scheduler& clock, const std::string& node_id);
    ~RefusalRecords();
    RefusalRecords(const RefusalRecords&) = delete;
    RefusalRecords& operator=(const RefusalRecords&) = delete;

    // `done` runs once the record is on the disk, or can't be written, on the audit log's thread, or inside this call
    // where none is written: MUST NOT block. Thread-safe, never blocks.
    void Add(const Refusal& refusal, absl::AnyInvocable<void()> done);

    // Adds what it is told of.
    RefusalListener Listener();

 private:
    audit::AuditLog* const log_;
    const runtime::Scheduler& clock_;
    const std::string node_id_;
    runtime::RateLimit limit_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_REFUSAL_RECORDS_H_
