#include "common/runtime/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace provhub::runtime {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(10);

TEST(Scheduler, RunsPostedWorkOnAnotherThread) {
    const auto scheduler = CreateScheduler(1);
    absl::Notification ran;
    std::thread::id worker;
    scheduler->Post([&] {
        worker = std::this_thread::get_id();
        ran.Notify();
    });
    ASSERT_TRUE(ran.WaitForNotificationWithTimeout(kLimit));
    EXPECT_NE(worker, std::this_thread::get_id());
}

TEST(Scheduler, RunsAsMuchBlockingWorkSideBySideAsItHasThreads) {
    const auto scheduler = CreateScheduler(3);
    absl::Mutex mutex;
    int inside = 0;
    std::atomic<bool> met = true;
    const auto all_inside = [&] { return inside == 3; };
    for (int i = 0; i < 3; ++i) {
        scheduler->Post([&] {
            absl::MutexLock lock(&mutex);
            ++inside;
            if (!mutex.AwaitWithTimeout(absl::Condition(&all_inside), kLimit)) {
                met = false;
            }
        });
    }
    absl::MutexLock lock(&mutex);
    EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&all_inside), kLimit));
    EXPECT_TRUE(met);
}

TEST(Scheduler, RunsWorkThatIsPostedByWorkBeforeItEnds) {
    int depth = 0;
    {
        const auto scheduler = CreateScheduler(2);
        Scheduler* const reference = scheduler.get();
        reference->Post([reference, &depth] {
            ++depth;
            reference->Post([reference, &depth] {
                ++depth;
                reference->Post([&depth] { ++depth; });
            });
        });
    }
    EXPECT_EQ(depth, 3);
}

TEST(Scheduler, RunsTimersInTheOrderInWhichTheyFallDueAndNotBefore) {
    const auto scheduler = CreateScheduler(1);
    const absl::Time start = absl::Now();
    absl::Mutex mutex;
    std::vector<int> order;
    absl::Duration first_after;
    const auto late = scheduler->After(absl::Milliseconds(60), [&] {
        absl::MutexLock lock(&mutex);
        order.push_back(2);
    });
    const auto early = scheduler->After(absl::Milliseconds(20), [&] {
        absl::MutexLock lock(&mutex);
        first_after = absl::Now() - start;
        order.push_back(1);
    });
    absl::MutexLock lock(&mutex);
    const auto both = [&] { return order.size() == 2; };
    ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&both), kLimit));
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
    EXPECT_GE(first_after, absl::Milliseconds(19));
}

TEST(Scheduler, BlockingWorkDoesNotHoldTimersUp) {
    const auto scheduler = CreateScheduler(1);
    absl::Notification fired;
    absl::Notification done;
    scheduler->Post([&] {
        EXPECT_TRUE(fired.WaitForNotificationWithTimeout(kLimit));
        done.Notify();
    });
    const auto timer = scheduler->After(absl::ZeroDuration(), [&] { fired.Notify(); });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(kLimit));
}

TEST(Scheduler, ADestroyedTimerNeitherRunsNorKeepsWhatItsCallbackOwns) {
    const auto scheduler = CreateScheduler(1);
    std::atomic<bool> ran = false;
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = owned;
    auto timer = scheduler->After(absl::Milliseconds(5), [&ran, owned = std::move(owned)] { ran = true; });
    timer.reset();
    EXPECT_TRUE(watch.expired());

    absl::Notification later;
    const auto probe = scheduler->After(absl::Milliseconds(30), [&] { later.Notify(); });
    ASSERT_TRUE(later.WaitForNotificationWithTimeout(kLimit));
    EXPECT_FALSE(ran);
}

TEST(Scheduler, ATimerMayBeDestroyedByItsOwnCallback) {
    const auto scheduler = CreateScheduler(1);
    absl::Notification done;
    absl::Mutex mutex;
    std::unique_ptr<Timer> timer;
    absl::MutexLock lock(&mutex);
    timer = scheduler->After(absl::ZeroDuration(), [&] {
        absl::MutexLock inner(&mutex);
        timer.reset();
        done.Notify();
    });
    const auto notified = [&] { return done.HasBeenNotified(); };
    EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&notified), kLimit));
}

TEST(Scheduler, DropsArmedTimersWhenItEnds) {
    bool ran = false;
    auto owned = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = owned;
    {
        const auto scheduler = CreateScheduler(1);
        const auto timer = scheduler->After(absl::Hours(1), [&ran, owned = std::move(owned)] { ran = true; });
    }
    EXPECT_FALSE(ran);
    EXPECT_TRUE(watch.expired());
}

TEST(Scheduler, TakesAnInfiniteDelay) {
    const auto scheduler = CreateScheduler(1);
    std::atomic<bool> ran = false;
    const auto timer = scheduler->After(absl::InfiniteDuration(), [&] { ran = true; });
    absl::Notification later;
    const auto probe = scheduler->After(absl::Milliseconds(10), [&] { later.Notify(); });
    ASSERT_TRUE(later.WaitForNotificationWithTimeout(kLimit));
    EXPECT_FALSE(ran);
}

TEST(Scheduler, ArmsAndDisarmsFromManyThreadsAtOnce) {
    const auto scheduler = CreateScheduler(2);
    std::atomic<int> fired = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 500; ++i) {
                auto kept = scheduler->After(absl::Microseconds(i), [&] { ++fired; });
                auto dropped = scheduler->After(absl::Hours(1), [&] { fired += 1'000'000; });
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_LT(fired, 1'000'000);
}

}  // namespace
}  // namespace provhub::runtime
