// Counts the calls that are being served, so that a process can stop without cutting them off.
#ifndef PROVHUB_COMMON_SERVICE_CALL_GATE_H_
#define PROVHUB_COMMON_SERVICE_CALL_GATE_H_

#include <cstddef>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace provhub::service {

// A call or stream that a CallGate has let in.
class OpenCall {
 public:
    virtual ~OpenCall() = default;

    // Asks the call to end with `reason`, soon and from any thread. MUST NOT block; may come when it is ending already.
    virtual void Stop(const absl::Status& reason) = 0;
};

// Thread-safe. MUST outlive the calls that it has let in: destroy the server first.
class CallGate {
 public:
    // `limit`: how many calls are let in at a time.
    explicit CallGate(std::size_t limit) : limit_(limit) {}

    // Unavailable once closed, ResourceExhausted at the limit; otherwise Leave MUST follow.
    absl::Status Enter(const std::shared_ptr<OpenCall>& call);
    void Leave(const OpenCall* call);

    // Lets nobody in from now on.
    void Close();
    void StopAll(const absl::Status& reason);
    // False when calls are left at `deadline`.
    bool AwaitEmpty(absl::Time deadline) const;

 private:
    const std::size_t limit_;
    mutable absl::Mutex mutex_;
    bool closed_ ABSL_GUARDED_BY(mutex_) = false;
    absl::flat_hash_map<const OpenCall*, std::weak_ptr<OpenCall>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_CALL_GATE_H_
