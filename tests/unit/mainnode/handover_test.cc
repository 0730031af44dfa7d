// Calls while a node moves from one stream to the next.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/mainnode/pending_calls_fixture.h"

namespace provhub::hub {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

class HandoverTest : public PendingCallsFixture {
 protected:
    void SetUp() override {
        PendingCallsFixture::SetUp();
        Attach(1, Dialect::kCorrelated);
    }
    void HandOver(std::uint64_t generation) { Attach(generation, Dialect::kCorrelated, Takeover::kHandover); }
};

TEST_F(HandoverTest, TheOldStreamAnswersWhatWasSentOverIt) {
    const auto sent = Call(CreateKey("iam"));
    const auto request = *Write();
    HandOver(2);
    EXPECT_EQ(sent->times, 0);
    EXPECT_THAT(drained_, IsEmpty());
    EXPECT_TRUE(calls_->OnReply(1, Csr(request, "csr")).ok());
    EXPECT_EQ(sent->outcome->create_key_response().csr(), "csr");
    EXPECT_THAT(drained_, ElementsAre(1));
}

TEST_F(HandoverTest, WhatWasNotSentGoesOverTheNewStream) {
    const auto call = Call(CreateKey("iam"));
    HandOver(2);
    EXPECT_FALSE(calls_->NextWrite(1));
    const auto request = *Write();
    EXPECT_TRUE(Reply(Csr(request, "csr")).ok());
    EXPECT_TRUE(call->outcome.ok());
    EXPECT_EQ(call->times, 1);
}

TEST_F(HandoverTest, WhatWasHeldBackOnTheOldStreamIsPushedOut) {
    Call(CreateKey("iam"));
    Call(CreateKey("online"));
    EXPECT_TRUE(calls_->NextWrite(1)->more);
    HandOver(2);
    EXPECT_TRUE(calls_->NextWrite(1)->message.cancel());
    EXPECT_FALSE(calls_->NextWrite(1));
    EXPECT_TRUE(calls_->NextWrite(2)->message.has_create_key_request());
}

TEST_F(HandoverTest, AnOldStreamWithoutOpenCallsIsDrainedAtOnce) {
    HandOver(2);
    EXPECT_THAT(drained_, ElementsAre(1));
}

TEST_F(HandoverTest, AStreamIsToldOnceThatItIsDrained) {
    const auto first = Call(CreateKey("iam"));
    const auto second = Call(CreateKey("online"));
    const auto one = *Write();
    const auto two = *Write();
    HandOver(2);
    EXPECT_TRUE(calls_->OnReply(1, Csr(one, "1")).ok());
    EXPECT_THAT(drained_, IsEmpty());
    EXPECT_TRUE(calls_->OnReply(1, Csr(two, "2")).ok());
    EXPECT_TRUE(calls_->OnReply(1, Csr(two, "2")).ok());
    EXPECT_THAT(drained_, ElementsAre(1));
    EXPECT_EQ(first->times + second->times, 2);
}

TEST_F(HandoverTest, NoStreamAnswersForAnother) {
    const auto old_call = Call(CreateKey("iam"));
    const auto old_request = *Write();
    HandOver(2);
    const auto new_call = Call(CreateKey("online"));
    const auto new_request = *Write();
    EXPECT_TRUE(calls_->OnReply(1, Csr(new_request, "forged")).ok());
    EXPECT_TRUE(calls_->OnReply(2, Csr(old_request, "forged")).ok());
    EXPECT_EQ(old_call->times + new_call->times, 0);
    EXPECT_EQ(counters_.unmatched_replies, 2);
}

TEST_F(HandoverTest, TheEndOfTheOldStreamFailsItsOwnCallsOnly) {
    const auto old_call = Call(CreateKey("iam"));
    Write();
    HandOver(2);
    const auto new_call = Call(CreateKey("online"));
    Write();
    calls_->Detach(1);
    EXPECT_EQ(Code(old_call), StatusCode::kAborted);
    EXPECT_EQ(new_call->times, 0);
}

TEST_F(HandoverTest, TheEndOfTheNewStreamLeavesTheOldOnesCalls) {
    const auto old_call = Call(CreateKey("iam"));
    const auto request = *Write();
    HandOver(2);
    const auto new_call = Call(CreateKey("online"));
    const auto unsent = Call(CreateKey("other"));
    Write();
    calls_->Detach(2);
    EXPECT_EQ(Code(new_call), StatusCode::kAborted);
    EXPECT_EQ(Code(unsent), StatusCode::kUnavailable);
    EXPECT_EQ(old_call->times, 0);
    EXPECT_TRUE(calls_->OnReply(1, Csr(request, "csr")).ok());
    EXPECT_TRUE(old_call->outcome.ok());
}

TEST_F(HandoverTest, AFencingStreamFailsThemAll) {
    const auto old_call = Call(CreateKey("iam"));
    const auto request = *Write();
    HandOver(2);
    const auto new_call = Call(CreateKey("online"));
    Write();
    Attach(3, Dialect::kCorrelated);
    EXPECT_EQ(Code(old_call), StatusCode::kAborted);
    EXPECT_EQ(Code(new_call), StatusCode::kAborted);
    EXPECT_TRUE(calls_->OnReply(1, Csr(request, "late")).ok());
    EXPECT_EQ(old_call->times, 1);
}

TEST_F(HandoverTest, ACallerThatGoesIsToldToTheNodeOverTheStreamThatHasTheCall) {
    std::stop_source caller;
    const auto gone = Call(CreateKey("iam"), kLimit, caller.get_token());
    const auto stays = Call(CreateKey("online"));
    const auto request = *Write();
    Write();
    EXPECT_FALSE(calls_->NextWrite(1));
    HandOver(2);
    EXPECT_FALSE(Write());
    const int wakes = wakes_;
    caller.request_stop();
    EXPECT_EQ(Code(gone), StatusCode::kCancelled);
    EXPECT_EQ(wakes_, wakes + 1);
    const auto cancel = calls_->NextWrite(1);
    ASSERT_TRUE(cancel);
    EXPECT_TRUE(cancel->message.cancel());
    EXPECT_EQ(cancel->message.request_id(), request.request_id());
    EXPECT_EQ(stays->times, 0);
}

TEST_F(HandoverTest, ACallThatTimesOutDoesNotKeepTheOldStream) {
    const auto call = Call(CreateKey("iam"), absl::Seconds(1));
    Write();
    HandOver(2);
    scheduler_.Advance(absl::Seconds(2));
    EXPECT_EQ(Code(call), StatusCode::kDeadlineExceeded);
    EXPECT_THAT(drained_, ElementsAre(1));
}

TEST_F(HandoverTest, ASuccessOverTheOldStreamCountsForTheNewestOne) {
    const auto call = Call(Finish());
    const auto request = *Write();
    HandOver(2);
    EXPECT_TRUE(calls_->OnReply(1, test::SuccessReply(request)).ok());
    EXPECT_THAT(successes_, ElementsAre("FinishProvisioning"));
    EXPECT_THAT(success_generations_, ElementsAre(2));
}

}  // namespace
}  // namespace provhub::hub
