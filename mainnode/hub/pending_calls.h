// The calls to one node that wait: for the node to connect, to be sent, to be answered.
#ifndef PROVHUB_MAINNODE_HUB_PENDING_CALLS_H_
#define PROVHUB_MAINNODE_HUB_PENDING_CALLS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/method_table.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"
#include "mainnode/hub/deadline_queue.h"
#include "mainnode/hub/type_slots.h"

namespace provhub::hub {

// How answers find their requests on a stream.
enum class Dialect {
    // By request_id; any number of calls at a time.
    kCorrelated,
    // By the type of the message, a call of each type at a time (TypeSlots): a peer that knows the contract alone.
    kOneOfEachType,
};

// What PendingCalls tells a stream, from any thread and without a lock.
struct StreamEvents {
    // There is something to write, and the right to write is with the stream again.
    std::function<void()> wake;
    // At most once: a newer stream has taken over, and this one has no answers left to bring.
    std::function<void()> drained = [] {};
};

enum class Takeover {
    // What was sent over older streams and is not answered fails now.
    kFence,
    // Older streams may still bring the answers to what was sent over them. All streams MUST be correlated.
    kHandover,
};

struct HubCounters {
    // Answers that nobody waited for: late, unknown, or a second time.
    std::atomic<std::uint64_t> unmatched_replies = 0;
};

struct PendingOptions {
    // How long a call waits for a node that is not connected.
    absl::Duration node_wait = absl::Seconds(10);
    std::size_t max_calls = 16'384;
    // Of requests that are not sent yet. One request is always taken.
    std::size_t max_waiting_bytes = 8 * 1024 * 1024;
    // Of one request, envelope included: what the node's server takes.
    std::size_t max_request_bytes = 4 * 1024 * 1024;
};

// Knows of streams only by their generation number. New calls go over the newest one; those before it that a handover
// has left attached bring their answers. Lives as long as the node is known, over all its streams. Each call is entered
// here, its deadline armed, before a byte of it can be sent; whoever takes its entry out completes it, so it is
// completed once. Thread-safe, never blocks; no lock is held while a completion or the writer is run.
class PendingCalls final : public DeadlineTarget, public std::enable_shared_from_this<PendingCalls> {
 public:
    // Told of each answer that reports success, before the call that it answers is completed, and of the newest stream
    // at that moment, which need not be the one that brought it.
    using OnSuccess = std::function<void(const node::Method& method, std::uint64_t generation)>;

    PendingCalls(std::string node_id, const PendingOptions& options, std::shared_ptr<DeadlineQueue> deadlines,
                 runtime::Scheduler& scheduler, HubCounters& counters, OnSuccess on_success);

    // `context.deadline` decides when a connected node has to have answered.
    void Call(const node::Method& method, node::Request request, node::CallContext context, node::Done done);

    // From now on the calls go over this stream, with a handover also those that no older one was given. False, and
    // nothing has changed, when `generation` is older than one that was attached before.
    //
    // The right to write is with the stream: it takes message after message by NextWrite. When that gives nothing, the
    // right comes back here, and `wake` returns it.
    bool Attach(std::uint64_t generation, Dialect dialect, StreamEvents events, Takeover takeover);

    // Fails the calls of this stream at once: Aborted where the request was sent over it, otherwise Unavailable.
    // Nothing happens when it isn't attached.
    void Detach(std::uint64_t generation);

    struct Outgoing {
        node::Request message;
        // Whether another one follows at once.
        bool more = false;
    };
    // From here on the message counts as sent.
    std::optional<Outgoing> NextWrite(std::uint64_t generation);

    // An error ends the stream: the peer breaks the protocol.
    absl::Status OnReply(std::uint64_t generation, node::Reply reply);

    void OnDeadline(std::uint64_t id) override;

    // Calls that are not completed.
    std::size_t size() const;

 private:
    enum class Stage {
        // The node is not connected.
        kAbsent,
        // An earlier call of the same type is open.
        kTypeTaken,
        kQueued,
        kSent,
    };
    // Runs when the caller has gone.
    struct CallerGone {
        std::weak_ptr<PendingCalls> calls;
        std::uint64_t id;
        void operator()() const;
    };
    using StopCallback = std::stop_callback<CallerGone>;
    struct Entry {
        const node::Method* method = nullptr;
        // Empty once sent.
        node::Request request;
        std::size_t bytes = 0;
        std::string cert_type;
        std::string operation_id;
        absl::Time time_limit;
        node::Done done;
        Stage stage = Stage::kAbsent;
        // That it was sent over.
        std::uint64_t generation = 0;
        DeadlineQueue::Key deadline;
        // Destroyed without the lock: that may wait for OnCancelled on another thread.
        std::unique_ptr<StopCallback> on_cancel;
        // Of the stream, where this was the last call that kept it. To be run after `done`.
        std::function<void()> drained;
    };
    struct Stream {
        Dialect dialect = Dialect::kCorrelated;
        StreamEvents events;
        // The right to write is here.
        bool writer_idle = false;
        // Calls that the node has and whose callers have gone.
        std::deque<std::uint64_t> cancels;
        // Calls that were sent over it and wait for their answers.
        std::size_t unanswered = 0;
        // What was written last may still be with gRPC, which was told that more was to follow at once.
        bool held_back = false;
    };
    struct Completion {
        Entry entry;
        node::Outcome outcome;
        bool succeeded = false;
        bool protocol_error = false;
        // The newest stream when the answer came.
        std::uint64_t newest = 0;
    };
    // Whether the node that is attached can be asked this.
    bool Speaks(const node::Method& method) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    // What the deadline queue is given: the call, and whether it is the wait for the node that ends.
    static std::uint64_t DeadlineId(std::uint64_t id, bool node_wait) { return id << 1 | (node_wait ? 1 : 0); }
    absl::Status CheckRoom(std::size_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void ArmCancel(std::uint64_t id, const std::stop_token& token);
    void OnCancelled(std::uint64_t id);
    bool IsAttached() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return streams_.contains(generation_); }
    void Enqueue(std::uint64_t id, Entry& entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void Queue(std::optional<std::uint64_t> id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    // The writer of this stream, to be run when there is something to write and nobody at it; empty otherwise.
    std::function<void()> ClaimWriter(std::uint64_t generation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    Entry Take(std::uint64_t id, bool answered) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    // A call that was sent over this stream is over. Returns what the stream is to be told where it was its last.
    std::function<void()> OnAnswered(std::uint64_t generation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void Fence(std::vector<Completion>& failed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void FailUnsent(std::vector<Completion>& failed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    template <typename Predicate>
    void Fail(const Predicate& applies, std::vector<Completion>& failed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    std::optional<Completion> MatchById(std::uint64_t generation, node::Reply& reply)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    std::optional<Completion> MatchByType(node::Reply& reply, const node::Method*& late_success)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void Complete(Completion completion) const ABSL_LOCKS_EXCLUDED(mutex_);
    void LogUnmatched(const node::Reply& reply) const;

    const std::string node_id_;
    const PendingOptions options_;
    const std::shared_ptr<DeadlineQueue> deadlines_;
    runtime::Scheduler& scheduler_;
    HubCounters& counters_;
    const OnSuccess on_success_;

    mutable absl::Mutex mutex_;
    std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
    absl::flat_hash_map<std::uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
    // IDs grow, so these are in the order in which the calls came.
    std::set<std::uint64_t> absent_ ABSL_GUARDED_BY(mutex_);
    std::set<std::uint64_t> queued_ ABSL_GUARDED_BY(mutex_);
    std::size_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;

    // Those that are attached, by their generation.
    std::map<std::uint64_t, Stream> streams_ ABSL_GUARDED_BY(mutex_);
    // Of the newest stream that was ever attached.
    std::uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
    // Of the newest stream.
    TypeSlots slots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_PENDING_CALLS_H_
