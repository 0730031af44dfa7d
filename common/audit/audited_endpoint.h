// Leaves a record of every operation that changes a node.
#ifndef PROVHUB_COMMON_AUDIT_AUDITED_ENDPOINT_H_
#define PROVHUB_COMMON_AUDIT_AUDITED_ENDPOINT_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/audit/audit_log.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"

namespace provhub::audit {

// Hands every call on. One that changes something has a record "begun" on the disk before it is handed on, and a record
// "done" before it is answered: where the first can't be written the call is not handed on (Unavailable, or
// ResourceExhausted); where the second can't, this is logged and the answer given, for the work is done. Calls that
// only read leave no record.
//
// A deadline and a cancellation are for the endpoint behind, and hold from the call on.
class AuditedEndpoint final : public node::NodeEndpoint {
 public:
    // `own_id` is for records of requests that name no node. The others MUST outlive this object, the log every call
    // besides.
    AuditedEndpoint(std::string own_id, node::NodeEndpoint& endpoint, AuditLog& log, const runtime::Scheduler& clock)
        : own_id_(std::move(own_id)), endpoint_(endpoint), log_(log), clock_(clock) {}
    // Waits until every call has been handed on.
    ~AuditedEndpoint() override;

    void Call(node::Request request, node::CallContext context, node::Done done) override;

 private:
    void HandOn(node::Request request, node::CallContext context, Event event, absl::Time begun, node::Done done);

    const std::string own_id_;
    node::NodeEndpoint& endpoint_;
    AuditLog& log_;
    const runtime::Scheduler& clock_;

    absl::Mutex mutex_;
    // Calls whose first record is being written.
    int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace provhub::audit

#endif  // PROVHUB_COMMON_AUDIT_AUDITED_ENDPOINT_H_
