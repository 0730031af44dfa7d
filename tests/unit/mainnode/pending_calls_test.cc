#include "mainnode/hub/pending_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/mainnode/pending_calls_fixture.h"

namespace provhub::hub {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PendingCallsTest : public PendingCallsFixture {};

TEST_F(PendingCallsTest, GivesEachOfTwoCallsOfOneTypeItsOwnAnswerInAnyOrder) {
    Attach(1, Dialect::kCorrelated);
    const auto online = Call(CreateKey("online"));
    const auto iam = Call(CreateKey("iam"));
    const auto first = *Write();
    const auto second = *Write();
    EXPECT_TRUE(Reply(Csr(second, "csr of iam")).ok());
    EXPECT_TRUE(Reply(Csr(first, "csr of online")).ok());
    ASSERT_TRUE(online->outcome.ok());
    ASSERT_TRUE(iam->outcome.ok());
    EXPECT_EQ(online->outcome->create_key_response().csr(), "csr of online");
    EXPECT_EQ(iam->outcome->create_key_response().csr(), "csr of iam");
    EXPECT_EQ(calls_->size(), 0u);
}

TEST_F(PendingCallsTest, TellsTheNodeTheNumberTheRemainingTimeAndTheOperation) {
    Attach(1, Dialect::kCorrelated);
    Call(CreateKey("online"), absl::Seconds(30));
    scheduler_.Advance(absl::Seconds(10));
    const auto request = *Write();
    EXPECT_NE(request.request_id(), 0u);
    EXPECT_EQ(request.timeout_ms(), 20'000u);
    EXPECT_EQ(request.operation_id(), "op");
    EXPECT_EQ(request.create_key_request().subject(), "s");
}

TEST_F(PendingCallsTest, KeepsItsOwnFieldsFromTheCaller) {
    Attach(1, Dialect::kCorrelated);
    const auto call = Call(CreateKey("online"));
    EXPECT_TRUE(Reply(Csr(*Write(), "csr")).ok());
    EXPECT_EQ(call->outcome->request_id(), 0u);
}

TEST_F(PendingCallsTest, DropsALateAnswerAndNeverGivesItToTheNextCaller) {
    Attach(1, Dialect::kCorrelated);
    const auto late = Call(CreateKey("online"), absl::Seconds(5));
    const auto late_request = *Write();
    scheduler_.Advance(absl::Seconds(5));
    EXPECT_EQ(Code(late), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(Message(late), HasSubstr("was sent"));
    const auto next = Call(CreateKey("iam"));
    const auto next_request = *Write();
    EXPECT_TRUE(Reply(Csr(late_request, "csr of online")).ok());
    EXPECT_EQ(next->times, 0);
    EXPECT_EQ(counters_.unmatched_replies, 1u);
    EXPECT_TRUE(Reply(Csr(next_request, "csr of iam")).ok());
    EXPECT_EQ(next->outcome->create_key_response().csr(), "csr of iam");
    EXPECT_EQ(late->times, 1);
}

TEST_F(PendingCallsTest, DropsUnknownAndRepeatedNumbers) {
    Attach(1, Dialect::kCorrelated);
    const auto call = Call(CreateKey("online"));
    const auto request = *Write();
    auto unknown = Csr(request, "x");
    unknown.set_request_id(999);
    EXPECT_TRUE(Reply(unknown).ok());
    unknown.set_request_id(0);
    EXPECT_TRUE(Reply(unknown).ok());
    EXPECT_EQ(call->times, 0);
    EXPECT_TRUE(Reply(Csr(request, "y")).ok());
    EXPECT_TRUE(Reply(Csr(request, "z")).ok());
    EXPECT_EQ(call->times, 1);
    EXPECT_EQ(call->outcome->create_key_response().csr(), "y");
    EXPECT_EQ(counters_.unmatched_replies, 3u);
}

TEST_F(PendingCallsTest, TakesNoAnswerToARequestThatIsNotSentYet) {
    Attach(1, Dialect::kCorrelated);
    const auto call = Call(CreateKey("online"));
    for (std::uint64_t id = 0; id < 10; ++id) {
        auto guess = Csr(CreateKey("online"), "guess");
        guess.set_request_id(id);
        EXPECT_TRUE(Reply(guess).ok());
    }
    EXPECT_EQ(call->times, 0);
}

TEST_F(PendingCallsTest, AnAnswerOfAnotherTypeIsAnErrorOfTheCallAndEndsTheStream) {
    Attach(1, Dialect::kCorrelated);
    const auto call = Call(CreateKey("online"));
    auto reply = test::SuccessReply(Finish());
    reply.set_request_id(Write()->request_id());
    EXPECT_FALSE(Reply(reply).ok());
    EXPECT_EQ(Code(call), absl::StatusCode::kInternal);
    EXPECT_THAT(successes_, IsEmpty());
}

TEST_F(PendingCallsTest, GivesTheCallerWhatTheNodeSaysInPlaceOfAnAnswer) {
    Attach(1, Dialect::kCorrelated);
    const auto call = Call(GetCertTypes());
    node::Reply reply;
    reply.set_request_id(Write()->request_id());
    reply.set_status_code(static_cast<int>(absl::StatusCode::kFailedPrecondition));
    reply.set_status_message("the node is paused");
    EXPECT_TRUE(Reply(reply).ok());
    EXPECT_EQ(Code(call), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(Message(call), "node 'n1': the node is paused");
}

TEST_F(PendingCallsTest, TellsOfSuccessBeforeTheCallerIsAnsweredAndOfNothingElse) {
    Attach(1, Dialect::kCorrelated);
    std::size_t successes_at_answer = 99;
    calls_->Call(*node::FindByRequest(node::Request::kFinishProvisioningRequest), Finish(),
                 {.operation_id = "op", .deadline = scheduler_.Now() + kLimit},
                 [&](const node::Outcome&) { successes_at_answer = successes_.size(); });
    EXPECT_TRUE(Reply(test::SuccessReply(*Write())).ok());
    EXPECT_EQ(successes_at_answer, 1u);
    EXPECT_THAT(successes_, ElementsAre("FinishProvisioning"));

    const auto failed = Call(Finish());
    auto reply = test::SuccessReply(*Write());
    reply.mutable_finish_provisioning_response()->mutable_error()->set_aos_code(1);
    EXPECT_TRUE(Reply(reply).ok());
    EXPECT_TRUE(failed->outcome.ok());
    EXPECT_THAT(successes_, ElementsAre("FinishProvisioning"));
}

TEST_F(PendingCallsTest, SaysOfEachCallOfALostStreamWhetherItWasSent) {
    Attach(1, Dialect::kCorrelated);
    const auto sent = Call(CreateKey("online"));
    const auto queued = Call(CreateKey("iam"));
    ASSERT_TRUE(Write());
    calls_->Detach(1);
    EXPECT_EQ(Code(sent), absl::StatusCode::kAborted);
    EXPECT_THAT(Message(sent), HasSubstr("was sent, its outcome is unknown"));
    EXPECT_EQ(Code(queued), absl::StatusCode::kUnavailable);
    EXPECT_THAT(Message(queued), HasSubstr("was not sent"));
    EXPECT_EQ(calls_->size(), 0u);
}

TEST_F(PendingCallsTest, NothingOfAnOlderStreamCounts) {
    Attach(1, Dialect::kCorrelated);
    const auto old_call = Call(CreateKey("online"));
    const auto old_request = *Write();
    Attach(2, Dialect::kCorrelated);
    EXPECT_EQ(Code(old_call), absl::StatusCode::kAborted);
    const auto call = Call(CreateKey("online"));
    EXPECT_FALSE(calls_->NextWrite(1));
    calls_->Detach(1);
    EXPECT_EQ(call->times, 0);
    const auto request = *Write();
    EXPECT_NE(request.request_id(), old_request.request_id());
    EXPECT_TRUE(calls_->OnReply(1, Csr(request, "from the old stream")).ok());
    EXPECT_EQ(call->times, 0);
    EXPECT_TRUE(Reply(Csr(request, "csr")).ok());
    EXPECT_EQ(call->outcome->create_key_response().csr(), "csr");
    EXPECT_FALSE(calls_->Attach(1, Dialect::kCorrelated, {.wake = [] {}}, Takeover::kFence));
}

TEST_F(PendingCallsTest, WaitsForAnAbsentNodeAndThenSaysThatNothingWasSent) {
    const auto call = Call(CreateKey("online"));
    scheduler_.Advance(absl::Seconds(9));
    EXPECT_EQ(call->times, 0);
    scheduler_.Advance(absl::Seconds(1));
    EXPECT_EQ(Code(call), absl::StatusCode::kUnavailable);
    EXPECT_EQ(Message(call), "node 'n1' is not connected; the request was not sent");
}

TEST_F(PendingCallsTest, SendsWhatWaitedWhenTheNodeConnectsAndGivesItTheWholeLimit) {
    const auto call = Call(CreateKey("online"), absl::Seconds(60));
    scheduler_.Advance(absl::Seconds(8));
    Attach(1, Dialect::kCorrelated);
    const auto request = *Write();
    EXPECT_EQ(request.timeout_ms(), 52'000u);
    scheduler_.Advance(absl::Seconds(51));
    EXPECT_EQ(call->times, 0);
    scheduler_.Advance(absl::Seconds(1));
    EXPECT_EQ(Code(call), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(PendingCallsTest, ACallersShorterDeadlineEndsTheWaitForAnAbsentNode) {
    const auto call = Call(CreateKey("online"), absl::Seconds(3));
    scheduler_.Advance(absl::Seconds(3));
    EXPECT_EQ(Code(call), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(Message(call), HasSubstr("was not sent"));
}

TEST_F(PendingCallsTest, ACancelledCallThatWasNotSentIsNotSent) {
    Attach(1, Dialect::kCorrelated);
    std::stop_source caller;
    const auto call = Call(CreateKey("online"), kLimit, caller.get_token());
    caller.request_stop();
    EXPECT_EQ(Code(call), absl::StatusCode::kCancelled);
    EXPECT_FALSE(Write());
    EXPECT_EQ(call->times, 1);
}

TEST_F(PendingCallsTest, TheCancellationOfASentCallIsSentToo) {
    Attach(1, Dialect::kCorrelated);
    std::stop_source caller;
    const auto call = Call(CreateKey("online"), kLimit, caller.get_token());
    const auto request = *Write();
    ASSERT_FALSE(Write());
    wakes_ = 0;
    caller.request_stop();
    EXPECT_EQ(wakes_, 1);
    const auto cancel = *Write();
    EXPECT_TRUE(cancel.cancel());
    EXPECT_EQ(cancel.request_id(), request.request_id());
    EXPECT_EQ(cancel.IAMIncomingMessage_case(), node::Request::IAMINCOMINGMESSAGE_NOT_SET);
    EXPECT_EQ(Code(call), absl::StatusCode::kCancelled);
    EXPECT_TRUE(Reply(Csr(request, "late")).ok());
    EXPECT_EQ(call->times, 1);
}

TEST_F(PendingCallsTest, ACallerThatHasGoneBeforeTheCallGetsNoFurther) {
    Attach(1, Dialect::kCorrelated);
    std::stop_source caller;
    caller.request_stop();
    EXPECT_EQ(Code(Call(CreateKey("online"), kLimit, caller.get_token())), absl::StatusCode::kCancelled);
    EXPECT_FALSE(Write());
}

TEST_F(PendingCallsTest, ACallWithoutTimeIsNotSent) {
    Attach(1, Dialect::kCorrelated);
    EXPECT_EQ(Code(Call(CreateKey("online"), absl::ZeroDuration())), absl::StatusCode::kDeadlineExceeded);
    EXPECT_FALSE(Write());
}

TEST_F(PendingCallsTest, WakesTheWriterOnceAndOnlyWhenItHasNothingToDo) {
    Attach(1, Dialect::kCorrelated);
    Call(CreateKey("a"));
    EXPECT_EQ(wakes_, 0) << "the stream has the right to write from the beginning";
    ASSERT_TRUE(Write());
    ASSERT_FALSE(Write());
    Call(CreateKey("b"));
    Call(CreateKey("c"));
    EXPECT_EQ(wakes_, 1);
    EXPECT_TRUE(calls_->NextWrite(generation_)->more);
    EXPECT_FALSE(calls_->NextWrite(generation_)->more);
    EXPECT_FALSE(Write());
}

TEST_F(PendingCallsTest, PushesOutWhatWasHeldBackForAMessageThatIsWithdrawn) {
    Attach(1, Dialect::kCorrelated);
    std::stop_source caller;
    const auto sent = Call(CreateKey("a"));
    Call(CreateKey("b"), kLimit, caller.get_token());
    const auto held_back = *calls_->NextWrite(generation_);
    EXPECT_TRUE(held_back.more);
    caller.request_stop();
    const auto push = calls_->NextWrite(generation_);
    ASSERT_TRUE(push.has_value());
    EXPECT_FALSE(push->more);
    EXPECT_TRUE(push->message.cancel());
    EXPECT_NE(push->message.request_id(), held_back.message.request_id());
    EXPECT_FALSE(Write());
    EXPECT_TRUE(Reply(Csr(held_back.message, "csr")).ok());
    EXPECT_TRUE(sent->outcome.ok());
}

TEST_F(PendingCallsTest, HoldsNothingBackFromAPeerOfOtherMake) {
    Attach(1, Dialect::kOneOfEachType);
    Call(CreateKey("a"));
    Call(GetCertTypes());
    EXPECT_FALSE(calls_->NextWrite(generation_)->more);
    EXPECT_FALSE(calls_->NextWrite(generation_)->more);
}

TEST_F(PendingCallsTest, RefusesMoreCallsThanTheNodeMayHave) {
    Make({.max_calls = 2});
    Attach(1, Dialect::kCorrelated);
    Call(CreateKey("a"));
    Call(CreateKey("b"));
    const auto third = Call(CreateKey("c"));
    EXPECT_EQ(Code(third), absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(Reply(Csr(*Write(), "x")).ok());
    EXPECT_EQ(Call(CreateKey("d"))->times, 0);
}

TEST_F(PendingCallsTest, BoundsTheBytesThatWaitToBeSent) {
    Make({.max_waiting_bytes = 1000});
    Attach(1, Dialect::kCorrelated);
    const std::string long_subject(600, 'x');
    const auto first = Call(CreateKey("a", long_subject));
    EXPECT_EQ(first->times, 0);
    EXPECT_EQ(Code(Call(CreateKey("b", long_subject))), absl::StatusCode::kResourceExhausted);
    ASSERT_TRUE(Write());
    EXPECT_EQ(Call(CreateKey("c", long_subject))->times, 0) << "what is sent does not wait";
}

TEST_F(PendingCallsTest, RefusesARequestThatTheNodeCouldNotTake) {
    Attach(1, Dialect::kCorrelated);
    const auto call = Call(CreateKey("a", std::string(4 * 1024 * 1024, 'x')));
    EXPECT_EQ(Code(call), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(call), HasSubstr("was not sent"));
}

}  // namespace
}  // namespace provhub::hub
