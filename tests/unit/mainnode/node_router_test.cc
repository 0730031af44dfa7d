#include "mainnode/hub/node_router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mainnode/registry/node_registry.h"
#include "tests/support/fake_core.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/scripted_agent.h"
#include "tests/support/temp_dir.h"

namespace provhub::hub {
namespace {

using node::Request;
using testing::HasSubstr;

class FakeStream final : public service::OpenCall {
 public:
    void Stop(const absl::Status&) override {}
};

class NodeRouterTest : public testing::Test {
 protected:
    ~NodeRouterTest() override { scheduler_.RunPosted(); }

    node::Outcome* Route(Request request, absl::Time deadline = absl::InfiniteFuture()) {
        answers_.push_back(std::make_unique<node::Outcome>(absl::UnknownError("not answered")));
        router_.Call(std::move(request), {.operation_id = "op", .deadline = deadline},
                     [answer = answers_.back().get()](node::Outcome outcome) { *answer = std::move(outcome); });
        return answers_.back().get();
    }

    static Request Pause(const std::string& node_id) {
        Request request;
        request.mutable_pause_node_request()->set_node_id(node_id);
        return request;
    }
    static Request CreateKey(const std::string& node_id, const std::string& subject) {
        Request request;
        request.mutable_create_key_request()->set_node_id(node_id);
        request.mutable_create_key_request()->set_subject(subject);
        return request;
    }

    test::TempDir dir_;
    test::ManualScheduler scheduler_;
    test::FakeCore core_{"main"};
    test::FakeIdentity identity_;
    std::unique_ptr<registry::NodeRegistry> registry_ =
        registry::NodeRegistry::Open(dir_.File("nodes.db"), core_.current_node(), scheduler_).value();
    SessionTable table_{*registry_, {}, scheduler_};
    NodeRouter router_{{.own_id = "main"}, core_.operations(), table_, identity_, scheduler_};
    std::vector<std::unique_ptr<node::Outcome>> answers_;
    std::shared_ptr<FakeStream> stream_ = std::make_shared<FakeStream>();
};

TEST_F(NodeRouterTest, AnEmptyNodeIdAndItsOwnMeanTheMainNode) {
    Route(Pause(""));
    Route(Pause("main"));
    EXPECT_EQ(core_.operations().Next()->request.pause_node_request().node_id(), "main");
    EXPECT_EQ(core_.operations().Next()->request.pause_node_request().node_id(), "main");
}

TEST_F(NodeRouterTest, AnUnknownNodeIsNotFoundAtOnce) {
    const auto* answer = Route(Pause("nobody"));
    EXPECT_TRUE(absl::IsNotFound(answer->status()));
    EXPECT_THAT(std::string(answer->status().message()), HasSubstr("'nobody'"));
}

TEST_F(NodeRouterTest, BringsTheDeadlineForwardToTheLimitOfTheWay) {
    const absl::Time now = scheduler_.Now();
    Route(Pause(""));
    EXPECT_EQ(core_.operations().Next()->context.deadline, now + absl::Minutes(1));
    Route(Pause(""), now + absl::Seconds(5));
    EXPECT_EQ(core_.operations().Next()->context.deadline, now + absl::Seconds(5));
}

TEST_F(NodeRouterTest, ForwardsWithTheLimitOfTheMethod) {
    const auto admission = table_.Admit(test::AgentInfo("n1"), {.stream = stream_, .events = {.wake = [] {}}}).value();
    Route(Pause("n1"));
    Route(CreateKey("n1", "subject"));
    EXPECT_EQ(admission.node->NextWrite(admission.generation)->message.timeout_ms(), 60'000u);
    EXPECT_EQ(admission.node->NextWrite(admission.generation)->message.timeout_ms(), 300'000u);
    table_.Leave(admission);
}

TEST_F(NodeRouterTest, FillsInTheSystemIdForBothWays) {
    identity_.SetSystem({.system_id = "unit-1", .unit_model = "", .version = ""});
    const auto admission = table_.Admit(test::AgentInfo("n1"), {.stream = stream_, .events = {.wake = [] {}}}).value();
    Route(CreateKey("", ""));
    Route(CreateKey("n1", ""));
    EXPECT_EQ(core_.operations().waiting(), 0u) << "identity files are not read on the caller's thread";
    scheduler_.RunPosted();
    EXPECT_EQ(core_.operations().Next()->request.create_key_request().subject(), "unit-1");
    const auto forwarded = admission.node->NextWrite(admission.generation)->message;
    EXPECT_EQ(forwarded.create_key_request().subject(), "unit-1");
    table_.Leave(admission);
}

TEST_F(NodeRouterTest, KeepsTheSubjectThatTheCallerNames) {
    identity_.SetSystem({.system_id = "unit-1", .unit_model = "", .version = ""});
    Route(CreateKey("", "mine"));
    EXPECT_EQ(core_.operations().Next()->request.create_key_request().subject(), "mine");
}

TEST_F(NodeRouterTest, SaysSoWhenThereIsNoSystemIdToFillIn) {
    const auto* answer = Route(CreateKey("", ""));
    scheduler_.RunPosted();
    EXPECT_TRUE(absl::IsInvalidArgument(answer->status()));
    EXPECT_THAT(std::string(answer->status().message()), HasSubstr("no identifier is configured"));
}

TEST_F(NodeRouterTest, OnlySuccessMovesTheStateOfANode) {
    const auto admission = table_.Admit(test::AgentInfo("n1"), {.stream = stream_, .events = {.wake = [] {}}}).value();
    const auto answer = [&](Request::IAMIncomingMessageCase, int aos_code) {
        Request request;
        request.mutable_finish_provisioning_request()->set_node_id("n1");
        Route(request);
        auto reply = test::SuccessReply(admission.node->NextWrite(admission.generation)->message);
        if (aos_code != 0) {
            reply.mutable_finish_provisioning_response()->mutable_error()->set_aos_code(aos_code);
        }
        ASSERT_TRUE(admission.node->OnReply(admission.generation, reply).ok());
    };
    answer(Request::kFinishProvisioningRequest, 1);
    EXPECT_EQ(registry_->Find("n1")->info().state(), "unprovisioned");
    answer(Request::kFinishProvisioningRequest, 0);
    EXPECT_EQ(registry_->Find("n1")->info().state(), "provisioned");
    table_.Leave(admission);
}

TEST_F(NodeRouterTest, AStreamThatEndsAfterANewerOneBeganChangesNothing) {
    const auto older = table_.Admit(test::AgentInfo("n1"), {.stream = stream_, .events = {.wake = [] {}}}).value();
    const auto newer = table_.Admit(test::AgentInfo("n1"), {.stream = stream_, .events = {.wake = [] {}}}).value();
    table_.Leave(older);
    EXPECT_TRUE(registry_->Find("n1")->connected());
    table_.Leave(newer);
    EXPECT_FALSE(registry_->Find("n1")->connected());
}

}  // namespace
}  // namespace provhub::hub
