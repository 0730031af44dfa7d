#include "tests/support/manual_scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace provhub::test {
namespace {

TEST(ManualScheduler, RunsPostedWorkOnDemandAlongWithWhatItPosts) {
    ManualScheduler scheduler;
    int ran = 0;
    scheduler.Post([&] {
        ++ran;
        scheduler.Post([&] { ++ran; });
    });
    EXPECT_EQ(ran, 0);
    EXPECT_EQ(scheduler.posted(), 1U);
    EXPECT_EQ(scheduler.RunPosted(), 2U);
    EXPECT_EQ(ran, 2);
}

TEST(ManualScheduler, RunsPostedWorkOnItsThreads) {
    std::atomic<int> ran = 0;
    ManualScheduler scheduler(2);
    for (int i = 0; i < 10; ++i) {
        scheduler.Post([&] { ++ran; });
    }
    EXPECT_TRUE(scheduler.WaitUntilIdle());
    EXPECT_EQ(ran, 10);
}

TEST(ManualScheduler, RunsEachTimerAtItsOwnTime) {
    ManualScheduler scheduler;
    const absl::Time start = scheduler.Now();
    std::vector<absl::Duration> fired;
    std::unique_ptr<runtime::Timer> second;
    const auto third = scheduler.After(absl::Seconds(3), [&] { fired.push_back(scheduler.Now() - start); });
    const auto first = scheduler.After(absl::Seconds(1), [&] {
        fired.push_back(scheduler.Now() - start);
        second = scheduler.After(absl::Seconds(1), [&] { fired.push_back(scheduler.Now() - start); });
    });
    const auto never = scheduler.After(absl::Seconds(11), [&] { fired.push_back(absl::InfiniteDuration()); });
    scheduler.Advance(absl::Seconds(10));
    EXPECT_EQ(fired, (std::vector{absl::Seconds(1), absl::Seconds(2), absl::Seconds(3)}));
    EXPECT_EQ(scheduler.Now() - start, absl::Seconds(10));
    EXPECT_EQ(scheduler.armed(), 1U);
    EXPECT_EQ(scheduler.NextDue(), absl::Seconds(1));
}

TEST(ManualScheduler, ForgetsADestroyedTimer) {
    ManualScheduler scheduler;
    bool ran = false;
    scheduler.After(absl::Seconds(1), [&] { ran = true; }).reset();
    scheduler.Advance(absl::Seconds(2));
    EXPECT_FALSE(ran);
    EXPECT_EQ(scheduler.NextDue(), std::nullopt);
}

TEST(ManualScheduler, SettingTheWallClockMovesNoTimer) {
    ManualScheduler scheduler;
    bool ran = false;
    const auto timer = scheduler.After(absl::Seconds(5), [&] { ran = true; });
    scheduler.SetNow(scheduler.Now() + absl::Hours(1));
    scheduler.Advance(absl::Seconds(4));
    EXPECT_FALSE(ran);
    scheduler.Advance(absl::Seconds(1));
    EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace provhub::test
