// A Scheduler whose clock the test moves.
#ifndef PROVHUB_TESTS_SUPPORT_MANUAL_SCHEDULER_H_
#define PROVHUB_TESTS_SUPPORT_MANUAL_SCHEDULER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/runtime/scheduler.h"

namespace provhub::test {

// Thread-safe. Time stands still but for Advance and SetNow, which one thread at a time may call. Timers run inside
// Advance, on its thread. Posted work runs inside RunPosted, or at once on threads where the constructor was asked for
// some.
class ManualScheduler final : public runtime::Scheduler {
 public:
    // `posting_threads` 0: the test calls RunPosted.
    explicit ManualScheduler(int posting_threads = 0);
    // Runs what was posted to threads; drops everything else.
    ~ManualScheduler() override;

    absl::Time Now() const override;
    void Post(absl::AnyInvocable<void()> work) override;
    std::unique_ptr<runtime::Timer> After(absl::Duration delay, absl::AnyInvocable<void()> callback) override;

    // Moves both clocks on, running each timer at its own time, in the order in which they fall due; those, too, that
    // the timers arm meanwhile.
    void Advance(absl::Duration duration);
    // Sets the wall clock alone, as an administrator does: no timer is touched.
    void SetNow(absl::Time now);

    // Runs posted work, that which it posts itself included, until none is left. Returns how many pieces ran.
    std::size_t RunPosted();
    // Pieces of work that wait or run.
    std::size_t posted() const;
    // Timers that are armed.
    std::size_t armed() const;
    // How long until the next timer falls due.
    std::optional<absl::Duration> NextDue() const;

    // False when posted work still waits or runs, or fewer than `timers` are armed, after `limit` of real time.
    bool WaitUntilIdle(absl::Duration limit = absl::Seconds(10)) const;
    bool WaitUntilArmed(std::size_t timers, absl::Duration limit = absl::Seconds(10)) const;

 private:
    class Handle;
    struct State {
        mutable absl::Mutex mutex;
        absl::Time now ABSL_GUARDED_BY(mutex) = absl::FromUnixSeconds(1'750'000'000);
        // Time passed since the start, which SetNow leaves alone.
        absl::Duration elapsed ABSL_GUARDED_BY(mutex);
        std::uint64_t next_number ABSL_GUARDED_BY(mutex) = 0;
        // By due time, then in the order of arming.
        std::map<std::pair<absl::Duration, std::uint64_t>, absl::AnyInvocable<void()>> timers ABSL_GUARDED_BY(mutex);
        std::deque<absl::AnyInvocable<void()>> work ABSL_GUARDED_BY(mutex);
        std::size_t running ABSL_GUARDED_BY(mutex) = 0;
        bool stopping ABSL_GUARDED_BY(mutex) = false;
    };

    // Runs one piece of work; false when there is none.
    bool RunOne();
    void RunOnThread();

    // Shared with the handles, which may outlive the scheduler in a test that tears down in its own order.
    const std::shared_ptr<State> state_ = std::make_shared<State>();
    std::vector<std::thread> threads_;
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_MANUAL_SCHEDULER_H_
