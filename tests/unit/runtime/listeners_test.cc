#include "common/runtime/listeners.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"

namespace provhub::runtime {
namespace {

TEST(Listeners, TellsEverySubscriber) {
    Listeners<int> listeners;
    std::vector<int> first;
    std::vector<int> second;
    const auto a = listeners.Add([&](int value) { first.push_back(value); });
    const auto b = listeners.Add([&](int value) { second.push_back(value); });
    listeners.Notify(7);
    EXPECT_EQ(first, std::vector<int>{7});
    EXPECT_EQ(second, std::vector<int>{7});
}

TEST(Listeners, TellsNobodyWhoseSubscriptionHasEnded) {
    Listeners<int> listeners;
    int calls = 0;
    {
        const auto subscription = listeners.Add([&](int) { ++calls; });
        listeners.Notify(1);
    }
    listeners.Notify(2);
    EXPECT_EQ(calls, 1);
}

TEST(Listeners, ASubscriptionMayOutliveTheList) {
    Subscription subscription;
    {
        Listeners<int> listeners;
        subscription = listeners.Add([](int) {});
    }
    subscription = Subscription();
}

TEST(Listeners, ASubscriptionEndsOnlyWhenTheListenerIsNotRunning) {
    Listeners<int> listeners;
    absl::Notification entered;
    absl::Notification release;
    std::atomic<bool> finished = false;
    auto subscription = listeners.Add([&](int) {
        entered.Notify();
        release.WaitForNotification();
        finished = true;
    });
    std::thread notifier([&] { listeners.Notify(1); });
    entered.WaitForNotification();
    std::thread releaser([&] { release.Notify(); });
    subscription = Subscription();
    EXPECT_TRUE(finished);
    releaser.join();
    notifier.join();
}

TEST(Listeners, AListenerMayAddAnother) {
    Listeners<int> listeners;
    std::vector<Subscription> added;
    int inner = 0;
    const auto outer = listeners.Add([&](int) { added.push_back(listeners.Add([&](int) { ++inner; })); });
    listeners.Notify(1);
    EXPECT_EQ(inner, 0);
    listeners.Notify(2);
    EXPECT_EQ(inner, 1);
}

}  // namespace
}  // namespace provhub::runtime
