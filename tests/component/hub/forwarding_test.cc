// The way of a call from the API to a node and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/component/hub/main_node_fixture.h"

namespace provhub {
namespace {

using testing::HasSubstr;

class ForwardingTest : public MainNodeFixture {};

TEST_F(ForwardingTest, AnAnswerThatIsBackAtOnceIsNeverLost) {
    auto agent = Agent("n1");
    agent->AnswerWith([](const node::Request& request) { return CsrReply(request, "csr"); });
    EnsureChannel();
    for (int i = 0; i < 500; ++i) {
        const auto result = CreateKeyNow(KeyRequest("n1", "online"), absl::Seconds(10));
        ASSERT_TRUE(result.status.ok()) << i << ": " << result.status.error_message();
        ASSERT_EQ(result.response.csr(), "csr");
    }
}

TEST_F(ForwardingTest, TwoCallsOfOneTypeAtATimeEachGetTheirOwnAnswer) {
    auto agent = Agent("n1");
    auto online = CreateKey("n1", "online");
    auto iam = CreateKey("n1", "iam");
    const auto first = *agent->Receive();
    const auto second = *agent->Receive();
    agent->Send(CsrReply(second, "csr of " + second.create_key_request().type()));
    agent->Send(CsrReply(first, "csr of " + first.create_key_request().type()));
    EXPECT_EQ(online.get().response.csr(), "csr of online");
    EXPECT_EQ(iam.get().response.csr(), "csr of iam");
}

TEST_F(ForwardingTest, ALateCsrIsNeverGivenToTheNextCaller) {
    auto agent = Agent("n1");
    auto late = CreateKey("n1", "online", absl::Milliseconds(300));
    const auto late_request = *agent->Receive();
    EXPECT_EQ(late.get().status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    auto next = CreateKey("n1", "iam");
    std::optional<node::Request> next_request;
    while (!next_request || next_request->cancel()) {
        next_request = agent->Receive();
        ASSERT_TRUE(next_request);
    }
    agent->Send(CsrReply(late_request, "late"));
    agent->Send(CsrReply(*next_request, "in time"));
    const auto result = next.get();
    EXPECT_EQ(result.response.csr(), "in time");
    EXPECT_EQ(result.response.type(), "iam");
    EXPECT_EQ(main_node_->counters().unmatched_replies, 1u);
}

TEST_F(ForwardingTest, ACutStreamFailsTheSentCallAtOnceAsOfUnknownOutcome) {
    auto agent = Agent("n1");
    auto call = CreateKey("n1", "online");
    ASSERT_TRUE(agent->Receive());
    const absl::Time cut = absl::Now();
    agent.reset();
    const auto result = call.get();
    EXPECT_LT(absl::Now() - cut, absl::Seconds(2));
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::ABORTED);
    EXPECT_THAT(result.status.error_message(), HasSubstr("node 'n1'"));
    EXPECT_THAT(result.status.error_message(), HasSubstr("was sent, its outcome is unknown"));
}

TEST_F(ForwardingTest, ACallThatNeverLeftTheHubSaysSo) {
    // A node that does not read: the first requests fill the connection, the last ones stay here.
    auto agent = Agent("n1", {.reading = false});
    EnsureChannel();
    std::vector<std::future<KeyResult>> calls;
    for (int i = 0; i < 4; ++i) {
        auto request = KeyRequest("n1", "online");
        request.set_subject(std::string(1'000'000, 'x'));
        calls.push_back(std::async(std::launch::async, [this, request] { return CreateKeyNow(request); }));
    }
    ASSERT_TRUE(Eventually([&] { return main_node_->PendingCallsOf("n1") == 4; }));
    agent.reset();
    int unsent = 0;
    for (auto& call : calls) {
        const auto status = call.get().status;
        unsent += status.error_code() == grpc::StatusCode::UNAVAILABLE ? 1 : 0;
        if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
            EXPECT_THAT(status.error_message(), HasSubstr("was not sent"));
        } else {
            EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
        }
    }
    EXPECT_GE(unsent, 2);
}

TEST_F(ForwardingTest, ANodeThatDoesNotReadGetsNoMoreThanABoundedQueue) {
    auto agent = Agent("n1", {.reading = false});
    EnsureChannel();
    std::vector<std::future<KeyResult>> calls;
    for (int i = 0; i < 16; ++i) {
        auto request = KeyRequest("n1", "online");
        request.set_subject(std::string(1'000'000, 'x'));
        calls.push_back(std::async(std::launch::async, [this, request] { return CreateKeyNow(request); }));
    }
    int refused = 0;
    ASSERT_TRUE(Eventually([&] {
        refused = 0;
        for (auto& call : calls) {
            refused += call.wait_for(std::chrono::seconds(0)) == std::future_status::ready ? 1 : 0;
        }
        return refused >= 4;
    }));
    // Others are not held up.
    auto other = Agent("n2");
    other->AnswerWith([](const node::Request& request) { return CsrReply(request, "csr"); });
    EXPECT_TRUE(CreateKey("n2", "online").get().status.ok());
    agent.reset();
    int exhausted = 0;
    for (auto& call : calls) {
        exhausted += call.get().status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED ? 1 : 0;
    }
    EXPECT_GE(exhausted, 4);
}

TEST_F(ForwardingTest, AStuckNodeHoldsUpNobodyElse) {
    auto stuck = Agent("stuck");
    auto quick = Agent("quick");
    quick->AnswerWith([](const node::Request& request) { return CsrReply(request, "csr"); });
    std::vector<std::future<KeyResult>> held;
    for (int i = 0; i < 20; ++i) {
        held.push_back(CreateKey("stuck", "online"));
    }
    ASSERT_TRUE(Eventually([&] { return main_node_->PendingCallsOf("stuck") == 20; }));
    const absl::Time begin = absl::Now();
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(CreateKeyNow(KeyRequest("quick", "online")).status.ok());
    }
    EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
    stuck.reset();
    for (auto& call : held) {
        EXPECT_EQ(call.get().status.error_code(), grpc::StatusCode::ABORTED);
    }
}

TEST_F(ForwardingTest, TheCallersShorterDeadlineTravelsAndWins) {
    auto agent = Agent("n1");
    const absl::Time begin = absl::Now();
    auto call = CreateKey("n1", "online", absl::Milliseconds(700));
    const auto request = *agent->Receive();
    EXPECT_LE(request.timeout_ms(), 700u);
    EXPECT_GT(request.timeout_ms(), 0u);
    EXPECT_EQ(call.get().status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
    EXPECT_TRUE(Eventually([&] { return main_node_->PendingCallsOf("n1") == 0; }));
}

TEST_F(ForwardingTest, WithoutACallersDeadlineTheLimitOfTheHubCounts) {
    options_.limits.forward_limit = absl::Milliseconds(300);
    Start();
    auto agent = Agent("n1");
    const auto result = CreateKey("n1", "online").get();
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_THAT(result.status.error_message(), HasSubstr("node 'n1'"));
    EXPECT_THAT(result.status.error_message(), HasSubstr("was sent"));
}

TEST_F(ForwardingTest, ACallersHangingUpTravelsToTheNode) {
    auto agent = Agent("n1");
    grpc::ClientContext context;
    auto call = CreateKey("n1", "online", absl::Seconds(30), &context);
    const auto request = *agent->Receive();
    context.TryCancel();
    const auto cancel = agent->Receive();
    ASSERT_TRUE(cancel);
    EXPECT_TRUE(cancel->cancel());
    EXPECT_EQ(cancel->request_id(), request.request_id());
    EXPECT_EQ(call.get().status.error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ForwardingTest, AnErrorOfTheOperationIsAResponse) {
    auto agent = Agent("n1");
    agent->AnswerWith([](const node::Request& request) {
        node::Reply reply = test::SuccessReply(request);
        auto* error = reply.mutable_finish_provisioning_response()->mutable_error();
        error->set_aos_code(1);
        error->set_exit_code(3);
        error->set_message("the hook failed");
        return reply;
    });
    const auto result = Finish("n1").get();
    ASSERT_TRUE(result.status.ok());
    EXPECT_EQ(result.response.error().exit_code(), 3);
    EXPECT_EQ(result.response.error().message(), "the hook failed");
    EXPECT_EQ(StateOf("n1"), "unprovisioned");
}

TEST_F(ForwardingTest, ASuccessMovesTheStateBeforeTheCallerHearsOfIt) {
    auto agent = Agent("n1");
    agent->AnswerWith([](const node::Request& request) { return test::SuccessReply(request); });
    ASSERT_TRUE(Finish("n1").get().status.ok());
    EXPECT_EQ(StateOf("n1"), "provisioned");
}

TEST_F(ForwardingTest, AnAnswerOfAnotherTypeFailsTheCallAndEndsTheStream) {
    auto agent = Agent("n1");
    auto call = CreateKey("n1", "online");
    node::Reply reply;
    reply.set_request_id(agent->Receive()->request_id());
    reply.mutable_pause_node_response();
    agent->Send(reply);
    EXPECT_EQ(call.get().status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_EQ(agent->WaitForEnd()->error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_TRUE(Eventually([&] { return !IsConnected("n1"); }));
}

TEST_F(ForwardingTest, AnUnknownNodeIsNotFoundAtOnce) {
    const absl::Time begin = absl::Now();
    const auto result = CreateKey("nobody", "online").get();
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_THAT(result.status.error_message(), HasSubstr("'nobody'"));
    EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
}

TEST_F(ForwardingTest, AKnownButAbsentNodeIsWaitedForAndThenUnavailable) {
    options_.pending.node_wait = absl::Milliseconds(300);
    Start();
    Agent("n1").reset();
    ASSERT_TRUE(Eventually([&] { return !IsConnected("n1"); }));
    const auto result = CreateKey("n1", "online").get();
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(result.status.error_message(), "node 'n1' is not connected; the request was not sent");
}

TEST_F(ForwardingTest, ANodeThatComesBackInTimeIsServed) {
    Agent("n1").reset();
    ASSERT_TRUE(Eventually([&] { return !IsConnected("n1"); }));
    auto call = CreateKey("n1", "online");
    ASSERT_TRUE(Eventually([&] { return main_node_->PendingCallsOf("n1") == 1; }));
    auto agent = Agent("n1");
    agent->Send(CsrReply(*agent->Receive(), "csr"));
    EXPECT_EQ(call.get().response.csr(), "csr");
}

TEST_F(ForwardingTest, ALargeRequestPassesAndATooLargeOneIsRefusedWithoutHarm) {
    auto agent = Agent("n1");
    agent->AnswerWith([](const node::Request& request) {
        node::Reply reply = test::SuccessReply(request);
        reply.mutable_apply_cert_response()->set_node_id(std::to_string(request.apply_cert_request().cert().size()));
        return reply;
    });
    EnsureChannel();
    const auto apply = [&](std::size_t size) {
        grpc::ClientContext context;
        iamanager::v6::ApplyCertRequest request;
        request.set_node_id("n1");
        request.set_cert(std::string(size, 'x'));
        Result<iamanager::v6::ApplyCertResponse> result;
        result.status =
            iamanager::v6::IAMCertificateService::NewStub(protected_)->ApplyCert(&context, request, &result.response);
        return result;
    };
    EXPECT_EQ(apply(4'000'000).response.node_id(), "4000000");
    EXPECT_EQ(apply(4 * 1024 * 1024 - 100).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(apply(10 * 1024 * 1024).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(apply(10).response.node_id(), "10") << "the stream of the node is as it was";
}

TEST_F(ForwardingTest, ATooLargeAnswerEndsTheStreamAndFailsTheCall) {
    auto agent = Agent("n1");
    auto call = CreateKey("n1", "online");
    agent->Send(CsrReply(*agent->Receive(), std::string(5 * 1024 * 1024, 'x')));
    EXPECT_EQ(call.get().status.error_code(), grpc::StatusCode::ABORTED);
    EXPECT_TRUE(agent->WaitForEnd());
}

TEST_F(ForwardingTest, ACallForTheMainNodeIsHandledHere) {
    auto call = CreateKey("", "online");
    auto local = core_.operations().Next();
    ASSERT_NE(local, nullptr);
    EXPECT_EQ(local->request.create_key_request().node_id(), "main");
    EXPECT_FALSE(local->context.operation_id.empty());
    EXPECT_LE(local->context.deadline, absl::Now() + absl::Seconds(31));
    local->done(CsrReply(local->request, "csr"));
    EXPECT_EQ(call.get().response.csr(), "csr");
}

TEST_F(ForwardingTest, TheCertificatesOfANodeAreThoseThatItSaysItHas) {
    const auto agent = Agent("n1");
    auto call = ListCertificates("n1");
    const auto request = *agent->Receive();
    EXPECT_EQ(request.list_certificates_request().node_id(), "n1");
    node::Reply reply = test::SuccessReply(request);
    reply.mutable_list_certificates_response()->add_certificates()->mutable_info()->set_type("iam");
    agent->Send(reply);
    const auto result = call.get();
    ASSERT_TRUE(result.status.ok()) << result.status.error_message();
    ASSERT_EQ(result.response.certificates_size(), 1);
    EXPECT_EQ(result.response.certificates(0).info().type(), "iam");
    EXPECT_TRUE(ListCertificates("main").get().status.ok());
    EXPECT_EQ(ListCertificates("nobody").get().status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ForwardingTest, AStatusOfTheNodeReachesTheCaller) {
    auto call = GetCertTypes("");
    core_.operations().Next()->done(absl::FailedPreconditionError("not now"));
    const auto result = call.get();
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(result.status.error_message(), "not now");
}

TEST_F(ForwardingTest, ACallerOfTheMainNodeWhoHangsUpStopsTheOperation) {
    grpc::ClientContext context;
    auto call = CreateKey("", "online", absl::Seconds(30), &context);
    auto local = core_.operations().Next();
    context.TryCancel();
    EXPECT_TRUE(Eventually([&] { return local->context.cancelled.stop_requested(); }));
    local->done(absl::CancelledError("stopped"));
    EXPECT_EQ(call.get().status.error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ForwardingTest, ManyCallersOfManyNodesAllGetTheirOwnAnswers) {
    std::vector<std::unique_ptr<test::ScriptedAgent>> agents;
    for (int i = 0; i < 8; ++i) {
        const std::string id = "n" + std::to_string(i);
        agents.push_back(Agent(id));
        agents.back()->AnswerWith([id](const node::Request& request) {
            return CsrReply(request, id + "/" + request.create_key_request().subject());
        });
    }
    EnsureChannel();
    std::vector<std::future<int>> callers;
    for (int c = 0; c < 16; ++c) {
        callers.push_back(std::async(std::launch::async, [this, c] {
            int right = 0;
            for (int i = 0; i < 50; ++i) {
                const std::string id = "n" + std::to_string((c + i) % 8);
                auto request = KeyRequest(id, "online");
                request.set_subject(std::to_string(c) + "." + std::to_string(i));
                right += CreateKeyNow(request).response.csr() == id + "/" + request.subject() ? 1 : 0;
            }
            return right;
        }));
    }
    for (auto& caller : callers) {
        EXPECT_EQ(caller.get(), 50);
    }
}

}  // namespace
}  // namespace provhub
