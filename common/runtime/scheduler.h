// Where work runs when it must not run on the thread that asks for it, and the clock that everything goes by.
#ifndef PROVHUB_COMMON_RUNTIME_SCHEDULER_H_
#define PROVHUB_COMMON_RUNTIME_SCHEDULER_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace provhub::runtime {

// A timer that has been armed. Destroying it disarms it; the callback may still run once if it was already due, so the
// callback MUST own (or hold weakly) what it touches.
class Timer {
 public:
    virtual ~Timer() = default;
};

// Thread-safe. Outlives everything that holds a reference to it.
class Scheduler {
 public:
    virtual ~Scheduler() = default;

    // Wall clock; for dates of certificates and for people.
    virtual absl::Time Now() const = 0;

    // Runs `work` on a thread that may block (disk, HSM, hooks), in no particular order. Never runs it inside this
    // call.
    virtual void Post(absl::AnyInvocable<void()> work) = 0;

    // Runs `callback` once after `delay`, measured on a clock that no clock setting moves, on the timer thread, which
    // it MUST NOT block. Never runs it inside this call.
    virtual std::unique_ptr<Timer> After(absl::Duration delay, absl::AnyInvocable<void()> callback) = 0;
};

// The real one: Boost.Asio, `blocking_threads` threads for Post and one for timers. The destructor runs what was
// posted, drops what was armed, and joins.
std::unique_ptr<Scheduler> CreateScheduler(int blocking_threads);

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_SCHEDULER_H_
