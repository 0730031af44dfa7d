// Calls to a node that knows the contract alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mainnode/hub/pending_calls.h"
#include "tests/unit/mainnode/pending_calls_fixture.h"

namespace provhub::hub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LegacyCallsTest : public PendingCallsFixture {
 protected:
    void SetUp() override {
        PendingCallsFixture::SetUp();
        Attach(1, Dialect::kOneOfEachType);
    }
};

TEST_F(LegacyCallsTest, NothingBeyondTheContractIsSent) {
    Call(CreateKey("online"));
    const auto request = *Write();
    EXPECT_EQ(request.request_id(), 0u);
    EXPECT_EQ(request.timeout_ms(), 0u);
    EXPECT_EQ(request.operation_id(), "");
    EXPECT_EQ(request.ByteSizeLong(), CreateKey("online").ByteSizeLong());
}

TEST_F(LegacyCallsTest, ACallOfATypeThatIsOpenWaitsForItsTurn) {
    const auto online = Call(CreateKey("online"));
    const auto iam = Call(CreateKey("iam"));
    const auto finish = Call(Finish());
    const auto first = *Write();
    EXPECT_EQ(first.create_key_request().type(), "online");
    const auto second = *Write();
    EXPECT_TRUE(second.has_finish_provisioning_request()) << "another type need not wait";
    EXPECT_FALSE(Write());
    wakes_ = 0;
    EXPECT_TRUE(Reply(Csr(first, "csr of online")).ok());
    EXPECT_EQ(wakes_, 1);
    EXPECT_EQ(online->outcome->create_key_response().csr(), "csr of online");
    const auto third = *Write();
    EXPECT_EQ(third.create_key_request().type(), "iam");
    EXPECT_TRUE(Reply(Csr(third, "csr of iam")).ok());
    EXPECT_EQ(iam->outcome->create_key_response().csr(), "csr of iam");
    EXPECT_TRUE(Reply(test::SuccessReply(second)).ok());
    EXPECT_TRUE(finish->outcome.ok());
}

TEST_F(LegacyCallsTest, AfterATimeoutTheTypeStaysBlockedUntilTheLateAnswerCame) {
    const auto late = Call(CreateKey("online"), absl::Seconds(5));
    const auto late_request = *Write();
    const auto next = Call(CreateKey("iam"));
    scheduler_.Advance(absl::Seconds(5));
    EXPECT_EQ(Code(late), absl::StatusCode::kDeadlineExceeded);
    EXPECT_FALSE(Write());
    EXPECT_TRUE(Reply(Csr(late_request, "csr of online")).ok());
    EXPECT_EQ(next->times, 0);
    EXPECT_EQ(counters_.unmatched_replies, 1u);
    const auto next_request = *Write();
    EXPECT_EQ(next_request.create_key_request().type(), "iam");
    EXPECT_TRUE(Reply(Csr(next_request, "csr of iam")).ok());
    EXPECT_EQ(next->outcome->create_key_response().csr(), "csr of iam");
}

TEST_F(LegacyCallsTest, ACancelledCallBlocksItsTypeAsWellAndNoCancellationIsSent) {
    std::stop_source caller;
    Call(CreateKey("online"), kLimit, caller.get_token());
    const auto request = *Write();
    caller.request_stop();
    EXPECT_FALSE(Write());
    Call(CreateKey("iam"));
    EXPECT_FALSE(Write());
    EXPECT_TRUE(Reply(Csr(request, "late")).ok());
    EXPECT_EQ(Write()->create_key_request().type(), "iam");
}

TEST_F(LegacyCallsTest, TheDeadlineOfAWaitingCallRuns) {
    Call(CreateKey("online"));
    ASSERT_TRUE(Write());
    const auto waiting = Call(CreateKey("iam"), absl::Seconds(20));
    scheduler_.Advance(absl::Seconds(20));
    EXPECT_EQ(Code(waiting), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(Message(waiting), HasSubstr("was not sent"));
}

TEST_F(LegacyCallsTest, ACallThatIsGivenUpBeforeItIsSentBlocksNobody) {
    std::stop_source caller;
    Call(CreateKey("online"), kLimit, caller.get_token());
    Call(CreateKey("iam"));
    caller.request_stop();
    EXPECT_EQ(Write()->create_key_request().type(), "iam");
}

TEST_F(LegacyCallsTest, ASecondAnswerIsDropped) {
    const auto call = Call(CreateKey("online"));
    const auto request = *Write();
    EXPECT_TRUE(Reply(Csr(request, "first")).ok());
    EXPECT_TRUE(Reply(Csr(request, "second")).ok());
    EXPECT_EQ(call->times, 1);
    EXPECT_EQ(call->outcome->create_key_response().csr(), "first");
    EXPECT_EQ(counters_.unmatched_replies, 1u);
}

TEST_F(LegacyCallsTest, ASecondAnswerForOneCertificateTypeIsNotTakenForThatOfAnother) {
    Call(CreateKey("online"));
    const auto request = *Write();
    EXPECT_TRUE(Reply(Csr(request, "first")).ok());
    const auto iam = Call(CreateKey("iam"));
    const auto iam_request = *Write();
    EXPECT_TRUE(Reply(Csr(request, "second")).ok());
    EXPECT_EQ(iam->times, 0);
    EXPECT_TRUE(Reply(Csr(iam_request, "csr of iam")).ok());
    EXPECT_EQ(iam->outcome->create_key_response().csr(), "csr of iam");
}

TEST_F(LegacyCallsTest, AnAnswerThatNobodyAskedForIsDropped) {
    EXPECT_TRUE(Reply(test::SuccessReply(Finish())).ok());
    EXPECT_EQ(counters_.unmatched_replies, 1u);
}

TEST_F(LegacyCallsTest, ALateSuccessStillTellsOfTheNodesNewState) {
    Call(Finish(), absl::Seconds(5));
    const auto request = *Write();
    scheduler_.Advance(absl::Seconds(5));
    EXPECT_TRUE(Reply(test::SuccessReply(request)).ok());
    EXPECT_THAT(successes_, ElementsAre("FinishProvisioning"));
}

TEST_F(LegacyCallsTest, ANewStreamOwesNothing) {
    Call(CreateKey("online"), absl::Seconds(5));
    ASSERT_TRUE(Write());
    scheduler_.Advance(absl::Seconds(5));
    calls_->Detach(1);
    Attach(2, Dialect::kOneOfEachType);
    Call(CreateKey("iam"));
    EXPECT_EQ(Write()->create_key_request().type(), "iam");
}

TEST_F(LegacyCallsTest, ALostStreamFailsTheWaitingCallsAsNotSent) {
    const auto sent = Call(CreateKey("online"));
    ASSERT_TRUE(Write());
    const auto waiting = Call(CreateKey("iam"));
    calls_->Detach(1);
    EXPECT_EQ(Code(sent), absl::StatusCode::kAborted);
    EXPECT_EQ(Code(waiting), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace provhub::hub
