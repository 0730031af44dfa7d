// One call of an operation, from its arrival to its answer.
#ifndef PROVHUB_COMMON_NODE_OPERATION_CALL_H_
#define PROVHUB_COMMON_NODE_OPERATION_CALL_H_

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/crypto/secret.h"
#include "common/node/method_table.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"

namespace provhub::node {

// Answered exactly once, by whichever comes first: its work, its deadline, its caller's going, the end of the process.
// Thread-safe. `done` runs without a lock.
class OperationCall {
 public:
    // Takes the password out of the request, which may have to wait. `method` MUST outlive the call.
    OperationCall(const Method& method, Request request, CallContext context, Done done);

    const Method& method() const { return method_; }
    const Request& request() const { return request_; }
    const crypto::Secret& password() const { return password_; }
    // When the caller stops waiting.
    absl::Time deadline() const { return context_.deadline; }
    const std::string& operation_id() const { return context_.operation_id; }

    // Answers `call` at its deadline, or when its caller goes before the work has begun. Once, before Begin.
    static void Watch(const std::shared_ptr<OperationCall>& call, runtime::Scheduler& scheduler);

    // The work begins. False when the call was answered before: then it MUST NOT begin.
    bool Begin();

    // Does nothing when the call has been answered.
    void Answer(Outcome outcome);

    // Answers without an outcome: `unbegun` where the work has not begun, else `begun`, unless that is OK: then the
    // work goes on to answer.
    void GiveUp(const absl::Status& unbegun, const absl::Status& begun);

 private:
    const Method& method_;
    Request request_;
    const crypto::Secret password_;
    const CallContext context_;

    absl::Mutex mutex_;
    bool begun_ ABSL_GUARDED_BY(mutex_) = false;
    // Empty when answered.
    Done done_ ABSL_GUARDED_BY(mutex_);
    std::unique_ptr<runtime::Timer> timer_ ABSL_GUARDED_BY(mutex_);
    // Set by Watch, before other threads know of the call.
    std::optional<std::stop_callback<std::function<void()>>> on_cancelled_;
};

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_OPERATION_CALL_H_
