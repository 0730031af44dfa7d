// Who gets a RegisterNode stream, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/component/hub/main_node_fixture.h"

namespace provhub {
namespace {

using test::AgentInfo;
using test::ScriptedAgent;
using testing::HasSubstr;

class RegisterNodeTest : public MainNodeFixture {
 protected:
    grpc::Status EndOf(const iamanager::v6::NodeInfo& info) {
        ScriptedAgent agent(PublicAddress());
        agent.SendInfo(info);
        return agent.WaitForEnd().value_or(grpc::Status(grpc::StatusCode::UNKNOWN, "not ended"));
    }
};

TEST_F(RegisterNodeTest, AdmitsANodeAndSaysSo) {
    ScriptedAgent agent(PublicAddress(), AgentInfo("n1", "paused"));
    EXPECT_EQ(agent.Metadata("provhub-protocol"), "1");
    EXPECT_TRUE(IsConnected("n1"));
    EXPECT_EQ(StateOf("n1"), "paused");
}

TEST_F(RegisterNodeTest, ServesNodesOnBothListeners) {
    ScriptedAgent agent(ProtectedAddress(), AgentInfo("n1"));
    EXPECT_TRUE(IsConnected("n1"));
}

TEST_F(RegisterNodeTest, EndsAStreamThatSaysNothing) {
    options_.sessions.hello_timeout = absl::Milliseconds(200);
    Start();
    ScriptedAgent agent(PublicAddress());
    const auto end = agent.WaitForEnd();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_THAT(end->error_message(), HasSubstr("expected NodeInfo"));
}

TEST_F(RegisterNodeTest, EndsAStreamThatSaysSomethingElseFirst) {
    ScriptedAgent agent(PublicAddress());
    node::Reply reply;
    reply.mutable_pause_node_response();
    agent.Send(reply);
    const auto end = agent.WaitForEnd();
    EXPECT_EQ(end->error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(end->error_message(), HasSubstr("expected NodeInfo"));
}

TEST_F(RegisterNodeTest, RefusesAStreamThatClaimsToBeTheMainNode) {
    const auto end = EndOf(AgentInfo("main", "paused"));
    EXPECT_EQ(end.error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_THAT(end.error_message(), HasSubstr("main node"));
    EXPECT_EQ(StateOf("main"), "unprovisioned");
    EXPECT_TRUE(IsConnected("main"));
}

TEST_F(RegisterNodeTest, RefusesWhatIsNoNodeInfo) {
    EXPECT_EQ(EndOf(AgentInfo("")).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(EndOf(AgentInfo("n1", "ready")).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(EndOf(AgentInfo(std::string(65, 'x'))).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    auto info = AgentInfo("n1");
    info.add_attrs()->set_name("MainNode");
    EXPECT_EQ(EndOf(info).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(main_node_->registry().Find("n1"), nullptr);
}

TEST_F(RegisterNodeTest, BoundsTheStreamsThatHaveSaidNothingYet) {
    options_.sessions.max_hellos = 2;
    Start();
    std::vector<std::unique_ptr<ScriptedAgent>> agents;
    for (int i = 0; i < 5; ++i) {
        agents.push_back(std::make_unique<ScriptedAgent>(PublicAddress()));
    }
    // Which of them are refused is a matter of luck.
    const auto ended = [](const auto& agent) { return agent->WaitForEnd(absl::ZeroDuration()).has_value(); };
    EXPECT_TRUE(Eventually([&] { return std::ranges::count_if(agents, ended) == 3; }));
    for (const auto& agent : agents) {
        if (ended(agent)) {
            EXPECT_EQ(agent->WaitForEnd()->error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
        }
    }
    std::erase_if(agents, ended);
    ASSERT_EQ(agents.size(), 2u);
    agents[0]->SendInfo(AgentInfo("n1"));
    ASSERT_TRUE(agents[0]->WaitUntilAdmitted());
    // Once gRPC is done with those that were refused.
    const auto admitted = [&] { return ScriptedAgent(PublicAddress(), AgentInfo("n2")).WaitUntilAdmitted(); };
    EXPECT_TRUE(Eventually(admitted)) << "there is room again";
}

TEST_F(RegisterNodeTest, FollowsWhatTheNodeSaysOfItself) {
    auto agent = Agent("n1");
    agent->SendInfo(AgentInfo("n1", "provisioned"));
    EXPECT_TRUE(Eventually([&] { return StateOf("n1") == "provisioned"; }));
}

TEST_F(RegisterNodeTest, EndsAStreamThatBecomesThatOfAnotherNode) {
    auto agent = Agent("n1");
    agent->SendInfo(AgentInfo("n2"));
    EXPECT_EQ(agent->WaitForEnd()->error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(main_node_->registry().Find("n2"), nullptr);
    EXPECT_TRUE(Eventually([&] { return !IsConnected("n1"); }));
}

TEST_F(RegisterNodeTest, TheNewestStreamWinsAndTheEndOfTheOldOneChangesNothing) {
    auto older = Agent("n1");
    auto call = CreateKey("n1", "online");
    ASSERT_TRUE(older->Receive());
    auto newer = Agent("n1");
    const auto end = older->WaitForEnd();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->error_code(), grpc::StatusCode::ABORTED);
    EXPECT_EQ(end->error_message(), "replaced by a newer stream");
    EXPECT_EQ(call.get().status.error_code(), grpc::StatusCode::ABORTED);
    older.reset();
    EXPECT_TRUE(IsConnected("n1"));
    auto next = CreateKey("n1", "online");
    newer->Send(CsrReply(*newer->Receive(), "csr"));
    EXPECT_EQ(next.get().response.csr(), "csr");
}

TEST_F(RegisterNodeTest, ANewStreamReplacesOneThatDoesNotRead) {
    auto older = Agent("n1", {.reading = false});
    EnsureChannel();
    auto request = KeyRequest("n1", "online");
    request.set_subject(std::string(1'000'000, 'x'));
    auto call = std::async(std::launch::async, [this, request] { return CreateKeyNow(request); });
    ASSERT_TRUE(Eventually([&] { return main_node_->PendingCallsOf("n1") == 1; }));
    auto newer = Agent("n1");
    EXPECT_FALSE(call.get().status.ok());
    newer->AnswerWith([](const node::Request& r) { return CsrReply(r, "csr"); });
    EXPECT_TRUE(CreateKey("n1", "online").get().status.ok());
}

TEST_F(RegisterNodeTest, ManyStreamsOfOneNodeAtATimeLeaveOneInCharge) {
    std::vector<std::future<std::unique_ptr<ScriptedAgent>>> racing;
    for (int i = 0; i < 16; ++i) {
        racing.push_back(std::async(std::launch::async, [this] {
            auto agent = Agent("n1");
            agent->AnswerWith([](const node::Request& request) { return CsrReply(request, "csr"); });
            return agent;
        }));
    }
    std::vector<std::unique_ptr<ScriptedAgent>> agents;
    for (auto& agent : racing) {
        agents.push_back(agent.get());
    }
    int open = 0;
    EXPECT_TRUE(Eventually([&] {
        open = 0;
        for (const auto& agent : agents) {
            open += agent->WaitForEnd(absl::ZeroDuration()) ? 0 : 1;
        }
        return open == 1;
    })) << open;
    EXPECT_TRUE(IsConnected("n1"));
    EXPECT_TRUE(CreateKey("n1", "online").get().status.ok());
}

TEST_F(RegisterNodeTest, ANodeThatEndsItsSideIsGone) {
    auto agent = Agent("n1");
    agent->HalfClose();
    const auto end = agent->WaitForEnd();
    ASSERT_TRUE(end);
    EXPECT_TRUE(end->ok());
    EXPECT_FALSE(IsConnected("n1"));
}

TEST_F(RegisterNodeTest, NodesAreRememberedOverARestart) {
    Agent("n1").reset();
    Start();
    EXPECT_NE(main_node_->registry().Find("n1"), nullptr);
    EXPECT_FALSE(IsConnected("n1"));
    auto agent = Agent("n1");
    EXPECT_TRUE(IsConnected("n1"));
}

}  // namespace
}  // namespace provhub
