#include "mainnode/hub/deadline_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/manual_scheduler.h"

namespace provhub::hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Recorder final : public DeadlineTarget {
 public:
    void OnDeadline(std::uint64_t id) override { due.push_back(id); }
    std::vector<std::uint64_t> due;
};

class DeadlineQueueTest : public testing::Test {
 protected:
    test::ManualScheduler scheduler_;
    const absl::Time start_ = scheduler_.Now();
    std::shared_ptr<DeadlineQueue> queue_ =
        std::make_shared<DeadlineQueue>(scheduler_, [this] { return scheduler_.Now() - start_; });
    std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
};

TEST_F(DeadlineQueueTest, TellsOfDeadlinesInTheirOrderWhateverTheOrderOfAdding) {
    queue_->Add(absl::Seconds(30), recorder_, 3);
    queue_->Add(absl::Seconds(10), recorder_, 1);
    queue_->Add(absl::Seconds(20), recorder_, 2);
    scheduler_.Advance(absl::Seconds(9));
    EXPECT_THAT(recorder_->due, IsEmpty());
    scheduler_.Advance(absl::Seconds(1));
    EXPECT_THAT(recorder_->due, ElementsAre(1));
    scheduler_.Advance(absl::Seconds(20));
    EXPECT_THAT(recorder_->due, ElementsAre(1, 2, 3));
}

TEST_F(DeadlineQueueTest, ArmsOneTimerForAllDeadlines) {
    for (int i = 0; i < 100; ++i) {
        queue_->Add(absl::Seconds(10 + i), recorder_, 1);
    }
    EXPECT_EQ(scheduler_.armed(), 1u);
}

TEST_F(DeadlineQueueTest, SaysNothingOfARemovedDeadlineAndGoesOnToTheNext) {
    const auto first = queue_->Add(absl::Seconds(10), recorder_, 1);
    queue_->Add(absl::Seconds(20), recorder_, 2);
    queue_->Remove(first);
    scheduler_.Advance(absl::Seconds(19));
    EXPECT_THAT(recorder_->due, IsEmpty());
    scheduler_.Advance(absl::Seconds(1));
    EXPECT_THAT(recorder_->due, ElementsAre(2));
}

TEST_F(DeadlineQueueTest, SetsNoTimerWhenNothingIsLeft) {
    queue_->Remove(queue_->Add(absl::Seconds(10), recorder_, 1));
    scheduler_.Advance(absl::Seconds(10));
    EXPECT_EQ(scheduler_.armed(), 0u);
    queue_->Add(absl::Seconds(5), recorder_, 2);
    scheduler_.Advance(absl::Seconds(5));
    EXPECT_THAT(recorder_->due, ElementsAre(2));
}

TEST_F(DeadlineQueueTest, TellsOfATimeThatIsUpAlready) {
    queue_->Add(-absl::Seconds(1), recorder_, 1);
    EXPECT_THAT(recorder_->due, IsEmpty());
    scheduler_.Advance(absl::ZeroDuration());
    EXPECT_THAT(recorder_->due, ElementsAre(1));
}

TEST_F(DeadlineQueueTest, KeepsAnInfiniteDeadlineQuietly) {
    queue_->Add(absl::InfiniteDuration(), recorder_, 1);
    queue_->Add(absl::Seconds(1), recorder_, 2);
    scheduler_.Advance(absl::Hours(1000));
    EXPECT_THAT(recorder_->due, ElementsAre(2));
    EXPECT_EQ(scheduler_.armed(), 0u);
}

TEST_F(DeadlineQueueTest, DoesNotMindATargetThatHasGone) {
    queue_->Add(absl::Seconds(1), recorder_, 1);
    recorder_.reset();
    scheduler_.Advance(absl::Seconds(1));
}

}  // namespace
}  // namespace provhub::hub
