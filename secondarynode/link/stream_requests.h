// The requests of one RegisterNode stream, from their arrival to their answer.
#ifndef PROVHUB_SECONDARYNODE_LINK_STREAM_REQUESTS_H_
#define PROVHUB_SECONDARYNODE_LINK_STREAM_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/method_table.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"

namespace provhub::link {

// Hands every request to the node's operations and every outcome to `send`, as the envelope that belongs to it.
//
// A request with a request_id is carried out at once, beside the others, and answered under its number; an outcome
// without a reply is answered with its status. A request without one comes from a main node of other make, which
// matches answers by their type: such requests are carried out one after the other in the order of their arrival, and
// each gets exactly one answer of its type.
//
// Thread-safe. Held by shared_ptr: running operations keep it.
class StreamRequests : public std::enable_shared_from_this<StreamRequests> {
 public:
    // Requests beyond this many open ones are answered with ResourceExhausted.
    static constexpr std::size_t kMaxOpen = 4096;

    using Send = std::function<void(node::Reply)>;

    // `caller` is whose requests these are, for the audit log. `time_limit` is for requests that do not say how long
    // their caller waits. `send` is called from any thread, also from several at once. `operations` and `clock` are not
    // touched any more once Abandon has returned.
    StreamRequests(node::NodeEndpoint& operations, const runtime::Scheduler& clock, std::string caller,
                   absl::Duration time_limit, Send send);

    // Takes one message of the main node, well-formed or not. Never blocks.
    void Take(node::Request message);

    // From now on every new request is answered with `reason`, which MUST be an error. `idle` runs once, when no
    // request is open any more, from any thread, possibly before this returns; never after Abandon. MUST be called
    // once at most.
    void Refuse(absl::Status reason, std::function<void()> idle);

    // The stream has ended. What runs goes on, for it cannot be undone, but is asked to stop where it has not begun to
    // change anything; its answers are dropped, and requests that wait are not begun.
    void Abandon();

 private:
    struct Waiting {
        const node::Method* method;
        node::Request request;
        node::CallContext context;
    };

    void TakeNumbered(std::uint64_t id, node::Request message);
    void TakeUnnumbered(node::Request message);
    void Cancel(std::uint64_t id);
    // Why a new request cannot be carried out, or OK.
    absl::Status Refusal() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    node::CallContext ContextOf(const node::Request& message, std::stop_token cancelled) const;
    void ServeWaiting();
    void Call(node::Request request, node::CallContext context, node::Done done);
    // Sends the answer, or drops it where nobody waits any more.
    void Answer(const node::Method& method, std::uint64_t id, const std::string& operation_id, node::Outcome outcome);
    void TellWhenIdle();

    node::NodeEndpoint& operations_;
    const runtime::Scheduler& clock_;
    const std::string caller_;
    const absl::Duration time_limit_;
    const Send send_;

    mutable absl::Mutex mutex_;
    absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
    std::function<void()> idle_ ABSL_GUARDED_BY(mutex_);
    bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
    // Calls of operations_.Call that have not returned.
    int calling_ ABSL_GUARDED_BY(mutex_) = 0;
    absl::flat_hash_map<std::uint64_t, std::stop_source> running_ ABSL_GUARDED_BY(mutex_);
    // Answers that are on their way to send_ and no longer in running_.
    int answering_ ABSL_GUARDED_BY(mutex_) = 0;
    // Requests without a number, but the one that runs.
    std::deque<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
    bool unnumbered_runs_ ABSL_GUARDED_BY(mutex_) = false;
    // A thread is in ServeWaiting and will look at waiting_ again.
    bool serving_ ABSL_GUARDED_BY(mutex_) = false;
    std::stop_source unnumbered_stop_;
};

}  // namespace provhub::link

#endif  // PROVHUB_SECONDARYNODE_LINK_STREAM_REQUESTS_H_
