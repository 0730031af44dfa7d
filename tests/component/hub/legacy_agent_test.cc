// A node that knows the contract alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/component/hub/main_node_fixture.h"

namespace provhub {
namespace {

using testing::HasSubstr;

class LegacyAgentTest : public MainNodeFixture {
 protected:
    void SetUp() override {
        MainNodeFixture::SetUp();
        agent_ = Agent("n1", {.correlated = false});
        ASSERT_TRUE(IsConnected("n1"));
    }

    std::unique_ptr<test::ScriptedAgent> agent_;
};

TEST_F(LegacyAgentTest, IsToldNothingThatItDoesNotKnow) {
    EXPECT_EQ(agent_->Metadata("provhub-protocol"), "");
    auto call = CreateKey("n1", "online");
    const auto request = *agent_->Receive();
    EXPECT_EQ(request.request_id(), 0u);
    EXPECT_EQ(request.timeout_ms(), 0u);
    EXPECT_EQ(request.operation_id(), "");
    agent_->Send(CsrReply(request, "csr"));
    EXPECT_EQ(call.get().response.csr(), "csr");
}

TEST_F(LegacyAgentTest, IsNotAskedWhatTheContractDoesNotHave) {
    const auto refused = ListCertificates("n1").get().status;
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_THAT(refused.error_message(), HasSubstr("of other make"));
    EXPECT_FALSE(agent_->Receive(absl::Milliseconds(100)));
}

TEST_F(LegacyAgentTest, IsNotAskedEvenByACallThatWaitedForIt) {
    agent_->Cut();
    ASSERT_TRUE(Eventually([&] { return !IsConnected("n1"); }));
    auto waiting = ListCertificates("n1");
    ASSERT_TRUE(Eventually([&] { return main_node_->PendingCallsOf("n1") == 1; }));
    agent_ = Agent("n1", {.correlated = false});
    EXPECT_EQ(waiting.get().status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(main_node_->PendingCallsOf("n1"), 0U);
    auto types = GetCertTypes("n1");
    agent_->Send(test::SuccessReply(*agent_->Receive()));
    EXPECT_TRUE(types.get().status.ok());
}

TEST_F(LegacyAgentTest, GetsOneCallOfEachTypeAtATime) {
    auto online = CreateKey("n1", "online");
    const auto first = *agent_->Receive();
    auto iam = CreateKey("n1", "iam");
    ASSERT_TRUE(Eventually([&] { return main_node_->PendingCallsOf("n1") == 2; }));
    EXPECT_FALSE(agent_->Receive(absl::Milliseconds(100)));
    agent_->Send(CsrReply(first, "csr of online"));
    EXPECT_EQ(online.get().response.csr(), "csr of online");
    const auto second = *agent_->Receive();
    agent_->Send(CsrReply(second, "csr of iam"));
    EXPECT_EQ(iam.get().response.csr(), "csr of iam");
}

TEST_F(LegacyAgentTest, ItsLateAnswerIsDroppedAndOpensTheWayForTheNextCall) {
    auto late = CreateKey("n1", "online", absl::Milliseconds(300));
    const auto late_request = *agent_->Receive();
    EXPECT_EQ(late.get().status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    auto next = CreateKey("n1", "iam");
    EXPECT_FALSE(agent_->Receive(absl::Milliseconds(100)));
    agent_->Send(CsrReply(late_request, "late"));
    const auto next_request = agent_->Receive();
    ASSERT_TRUE(next_request);
    EXPECT_EQ(next_request->create_key_request().type(), "iam");
    agent_->Send(CsrReply(*next_request, "in time"));
    EXPECT_EQ(next.get().response.csr(), "in time");
}

TEST_F(LegacyAgentTest, SecondAndUnaskedAnswersHarmNobody) {
    auto call = CreateKey("n1", "online");
    const auto request = *agent_->Receive();
    agent_->Send(CsrReply(request, "first"));
    agent_->Send(CsrReply(request, "second"));
    node::Reply unasked;
    unasked.mutable_pause_node_response();
    agent_->Send(unasked);
    EXPECT_EQ(call.get().response.csr(), "first");
    EXPECT_TRUE(Eventually([&] { return main_node_->counters().unmatched_replies == 2; }));
    auto next = CreateKey("n1", "iam");
    agent_->Send(CsrReply(*agent_->Receive(), "csr of iam"));
    EXPECT_EQ(next.get().response.csr(), "csr of iam");
}

TEST_F(LegacyAgentTest, MayAnswerDifferentTypesInAnyOrder) {
    auto key = CreateKey("n1", "online");
    const auto key_request = *agent_->Receive();
    auto types = GetCertTypes("n1");
    const auto types_request = *agent_->Receive();
    node::Reply reply = test::SuccessReply(types_request);
    reply.mutable_cert_types_response()->add_types("online");
    agent_->Send(reply);
    EXPECT_EQ(types.get().response.types(0), "online");
    agent_->Send(CsrReply(key_request, "csr"));
    EXPECT_EQ(key.get().response.csr(), "csr");
}

TEST_F(LegacyAgentTest, ItsSilenceEndsInADeadlineThatSaysWhatWasSent) {
    auto silent = Finish("n1", absl::Milliseconds(300));
    ASSERT_TRUE(agent_->Receive());
    EXPECT_EQ(silent.get().status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_EQ(StateOf("n1"), "unprovisioned");
}

TEST_F(LegacyAgentTest, ItsStateIsTakenFromTheSuccessOfWhatItWasAsked) {
    agent_->AnswerWith([](const node::Request& request) { return test::SuccessReply(request); });
    ASSERT_TRUE(Finish("n1").get().status.ok());
    EXPECT_EQ(StateOf("n1"), "provisioned");
}

TEST_F(LegacyAgentTest, ANewStreamOwesNothingOfTheOld) {
    auto lost = CreateKey("n1", "online", absl::Milliseconds(300));
    ASSERT_TRUE(agent_->Receive());
    EXPECT_EQ(lost.get().status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    agent_ = Agent("n1", {.correlated = false});
    auto call = CreateKey("n1", "online");
    agent_->Send(CsrReply(*agent_->Receive(), "csr"));
    EXPECT_EQ(call.get().response.csr(), "csr");
}

}  // namespace
}  // namespace provhub
