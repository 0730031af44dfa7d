// The deadlines of all calls that wait for an answer, behind one timer.
#ifndef PROVHUB_MAINNODE_HUB_DEADLINE_QUEUE_H_
#define PROVHUB_MAINNODE_HUB_DEADLINE_QUEUE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/runtime/scheduler.h"

namespace provhub::hub {

class DeadlineTarget {
 public:
    virtual ~DeadlineTarget() = default;

    // The time of `id` is up. Timer thread; MUST NOT block.
    virtual void OnDeadline(std::uint64_t id) = 0;
};

// Adding and removing costs a tree node and no system call: the timer is armed anew only for a deadline that is earlier
// than all others, and a timer that fires for a deadline removed meanwhile goes to the next one. Thread-safe.
class DeadlineQueue : public std::enable_shared_from_this<DeadlineQueue> {
 public:
    // Time since some moment in the past, on a clock that no clock setting moves.
    using Clock = std::function<absl::Duration()>;
    // Which deadline; (0, 0) is none.
    using Key = std::pair<absl::Duration, std::uint64_t>;

    static absl::Duration SteadyClock();

    explicit DeadlineQueue(runtime::Scheduler& scheduler, Clock clock = SteadyClock)
        : scheduler_(scheduler), clock_(std::move(clock)) {}

    // OnDeadline(id) follows in `delay`, never inside this call, unless `target` has gone by then.
    Key Add(absl::Duration delay, std::weak_ptr<DeadlineTarget> target, std::uint64_t id);
    // OnDeadline may still come when it was due already.
    void Remove(const Key& key);

 private:
    struct Entry {
        std::weak_ptr<DeadlineTarget> target;
        std::uint64_t id;
    };

    void Arm(absl::Duration due) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void RunDue();

    runtime::Scheduler& scheduler_;
    const Clock clock_;
    absl::Mutex mutex_;
    std::map<Key, Entry> entries_ ABSL_GUARDED_BY(mutex_);
    std::uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
    std::unique_ptr<runtime::Timer> timer_ ABSL_GUARDED_BY(mutex_);
    // When timer_ fires; infinite while it is not armed.
    absl::Duration armed_for_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
};

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_DEADLINE_QUEUE_H_
