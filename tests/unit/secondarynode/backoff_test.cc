#include "secondarynode/link/backoff.h"

#include <gmock/gmock.h>

#include <vector>

namespace provhub::link {
namespace {

using testing::ElementsAre;

std::vector<absl::Duration> Delays(Backoff& backoff, int count) {
    std::vector<absl::Duration> delays(count);
    for (auto& delay : delays) {
        delay = backoff.Next();
    }
    return delays;
}

TEST(Backoff, DoublesUpToItsBound) {
    Backoff backoff(absl::Seconds(1), absl::Seconds(5), [] { return 1.0; });
    EXPECT_THAT(Delays(backoff, 5),
                ElementsAre(absl::Seconds(1), absl::Seconds(2), absl::Seconds(4), absl::Seconds(5), absl::Seconds(5)));
}

TEST(Backoff, NeverWaitsLessThanHalf) {
    Backoff backoff(absl::Seconds(1), absl::Seconds(5), [] { return 0.0; });
    EXPECT_THAT(Delays(backoff, 4),
                ElementsAre(absl::Milliseconds(500), absl::Seconds(1), absl::Seconds(2), absl::Milliseconds(2500)));
}

TEST(Backoff, BeginsAnewAfterReset) {
    Backoff backoff(absl::Seconds(1), absl::Seconds(5), [] { return 1.0; });
    Delays(backoff, 4);
    backoff.Reset();
    EXPECT_EQ(backoff.Next(), absl::Seconds(1));
}

TEST(Backoff, KeepsToABoundBelowTheFirstDelay) {
    Backoff backoff(absl::Seconds(1), absl::Milliseconds(100), [] { return 1.0; });
    EXPECT_THAT(Delays(backoff, 2), ElementsAre(absl::Milliseconds(100), absl::Milliseconds(100)));
}

TEST(SystemRandom, YieldsDifferentNumbersFromZeroToOne) {
    const auto random = SystemRandom();
    const double first = random();
    bool differs = false;
    for (int i = 0; i < 1000; ++i) {
        const double next = random();
        ASSERT_GE(next, 0.0);
        ASSERT_LT(next, 1.0);
        differs = differs || next != first;
    }
    EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace provhub::link
