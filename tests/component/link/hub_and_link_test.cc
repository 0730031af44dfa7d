// The real hub and real links in one process.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/node/method_table.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "tests/support/fake_unit.h"

namespace provhub {
namespace {

using iamanager::v6::CreateKeyRequest;
using iamanager::v6::CreateKeyResponse;
using iamanager::v6::FinishProvisioningRequest;
using iamanager::v6::FinishProvisioningResponse;
using iamanager::v6::IAMCertificateService;
using iamanager::v6::IAMProvisioningService;
using testing::Ge;
using testing::Lt;

// A CreateKey that is under way.
class CreateKeyCall {
 public:
    CreateKeyCall(IAMCertificateService::Stub& stub, const std::string& node_id, const std::string& subject,
                  absl::Duration timeout = absl::Seconds(30)) {
        request_.set_node_id(node_id);
        request_.set_subject(subject);
        request_.set_type("iam");
        context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
        stub.async()->CreateKey(&context_, &request_, &response_, [this](const grpc::Status& status) {
            status_ = status;
            done_.Notify();
        });
    }
    ~CreateKeyCall() {
        context_.TryCancel();
        done_.WaitForNotification();
    }

    const grpc::Status& Wait() {
        done_.WaitForNotification();
        return status_;
    }
    bool WaitFor(absl::Duration limit) { return done_.WaitForNotificationWithTimeout(limit); }
    const CreateKeyResponse& response() const { return response_; }
    const std::string& subject() const { return request_.subject(); }
    void Cancel() { context_.TryCancel(); }

 private:
    CreateKeyRequest request_;
    CreateKeyResponse response_;
    grpc::ClientContext context_;
    grpc::Status status_;
    absl::Notification done_;
};

// Echoes the subject as the CSR.
node::Reply Echo(const node::Request& request) {
    node::Reply reply;
    reply.mutable_create_key_response()->set_csr(request.create_key_request().subject());
    return reply;
}

// Takes a while for each call, all of them side by side.
class SlowEndpoint final : public node::NodeEndpoint {
 public:
    SlowEndpoint(runtime::Scheduler& scheduler, absl::Duration step) : scheduler_(scheduler), step_(step) {}

    void Call(node::Request request, node::CallContext, node::Done done) override {
        auto timer = scheduler_.After(
            step_, [request = std::move(request), done = std::move(done)]() mutable { done(Echo(request)); });
        absl::MutexLock lock(&mutex_);
        timers_.push_back(std::move(timer));
    }

 private:
    runtime::Scheduler& scheduler_;
    const absl::Duration step_;
    absl::Mutex mutex_;
    std::vector<std::unique_ptr<runtime::Timer>> timers_ ABSL_GUARDED_BY(mutex_);
};

class HubAndLink : public testing::Test {
 protected:
    test::FakeAgent& AddAgent(const std::string& id, node::NodeEndpoint* operations = nullptr) {
        agents_.push_back(std::make_unique<test::FakeAgent>(id, main_->public_address(), *scheduler_, operations));
        EXPECT_TRUE(main_->WaitForConnection(id)) << id;
        return *agents_.back();
    }

    // A real one, for the real time that steps take.
    const std::unique_ptr<runtime::Scheduler> scheduler_ = runtime::CreateScheduler(2);
    std::unique_ptr<test::FakeMainNode> main_ = std::make_unique<test::FakeMainNode>();
    std::vector<std::unique_ptr<test::FakeAgent>> agents_;
    const std::unique_ptr<IAMCertificateService::Stub> stub_ = IAMCertificateService::NewStub(main_->NewChannel());
};

TEST_F(HubAndLink, EightNodesTogetherTakeAsLongAsOne) {
    SlowEndpoint slow(*scheduler_, absl::Seconds(1));
    for (int i = 0; i < 8; ++i) {
        AddAgent(absl::StrCat("n", i), &slow);
    }
    const absl::Time begun = absl::Now();
    std::vector<std::unique_ptr<CreateKeyCall>> calls;
    calls.reserve(8);
    for (int i = 0; i < 8; ++i) {
        calls.push_back(std::make_unique<CreateKeyCall>(*stub_, absl::StrCat("n", i), absl::StrCat("subject", i)));
    }
    for (const auto& call : calls) {
        ASSERT_TRUE(call->Wait().ok()) << call->Wait().error_message();
        EXPECT_EQ(call->response().csr(), call->subject());
    }
    const absl::Duration taken = absl::Now() - begun;
    EXPECT_THAT(taken, Ge(absl::Seconds(1)));
    EXPECT_THAT(taken, Lt(absl::Seconds(2)));
    agents_.clear();
}

TEST_F(HubAndLink, AStuckNodeHoldsUpNobodyElse) {
    auto& stuck = AddAgent("stuck");
    auto& quick = AddAgent("quick");
    quick.core().operations().AnswerAtOnce([](const node::Request& request) -> node::Outcome { return Echo(request); });
    CreateKeyCall waiting(*stub_, "stuck", "s");
    const auto begun = stuck.core().operations().Next();
    ASSERT_NE(begun, nullptr);
    for (int i = 0; i < 100; ++i) {
        CreateKeyCall call(*stub_, "quick", absl::StrCat("s", i));
        ASSERT_TRUE(call.Wait().ok());
    }
    EXPECT_FALSE(waiting.WaitFor(absl::ZeroDuration()));
    begun->done(Echo(begun->request));
    EXPECT_TRUE(waiting.Wait().ok());
}

TEST_F(HubAndLink, ParallelCallsOfOneTypeEachGetTheirOwnAnswer) {
    auto& operations = AddAgent("n1").core().operations();
    constexpr int kCalls = 64;
    std::vector<std::unique_ptr<CreateKeyCall>> calls;
    std::vector<std::unique_ptr<test::ScriptedCall>> begun;
    calls.reserve(kCalls);
    for (int i = 0; i < kCalls; ++i) {
        calls.push_back(std::make_unique<CreateKeyCall>(*stub_, "n1", absl::StrCat("subject", i)));
    }
    for (int i = 0; i < kCalls; ++i) {
        begun.push_back(operations.Next());
        ASSERT_NE(begun.back(), nullptr);
    }
    for (auto call = begun.rbegin(); call != begun.rend(); ++call) {
        (*call)->done(Echo((*call)->request));
    }
    for (const auto& call : calls) {
        ASSERT_TRUE(call->Wait().ok());
        EXPECT_EQ(call->response().csr(), call->subject());
    }
}

TEST_F(HubAndLink, TheRegistryKnowsANewStateBeforeTheCallerHasItsAnswer) {
    auto& agent = AddAgent("n1");
    const auto stub = IAMProvisioningService::NewStub(main_->NewChannel());
    for (const auto state : {node::NodeState::kProvisioned, node::NodeState::kUnprovisioned}) {
        grpc::ClientContext context;
        FinishProvisioningRequest request;
        FinishProvisioningResponse response;
        request.set_node_id("n1");
        absl::Notification done;
        grpc::Status status;
        std::string seen;
        stub->async()->FinishProvisioning(&context, &request, &response, [&](const grpc::Status& result) {
            status = result;
            seen = main_->StateOf("n1");
            done.Notify();
        });
        const auto call = agent.core().operations().Next();
        ASSERT_NE(call, nullptr);
        ASSERT_TRUE(agent.core().current_node().Move(state, node::Phase::kNone).ok());
        // An answer that says nothing of the state by itself.
        call->done(node::ErrorReply(*node::FindByRequest(node::Request::kFinishProvisioningRequest),
                                    absl::InternalError("the hook failed after the state had changed")));
        done.WaitForNotification();
        ASSERT_TRUE(status.ok()) << status.error_message();
        EXPECT_EQ(seen, node::ToString(state));
    }
}

TEST_F(HubAndLink, ACallerThatHangsUpReachesTheOperation) {
    auto& operations = AddAgent("n1").core().operations();
    CreateKeyCall call(*stub_, "n1", "s");
    const auto begun = operations.Next();
    ASSERT_NE(begun, nullptr);
    absl::Notification stopped;
    const std::stop_callback on_stop(begun->context.cancelled, [&] { stopped.Notify(); });
    call.Cancel();
    EXPECT_TRUE(stopped.WaitForNotificationWithTimeout(absl::Seconds(10)));
    begun->done(absl::CancelledError("the caller has gone"));
    CreateKeyCall next(*stub_, "n1", "next");
    const auto served = operations.Next();
    ASSERT_NE(served, nullptr);
    served->done(Echo(served->request));
    ASSERT_TRUE(next.Wait().ok());
    EXPECT_EQ(next.response().csr(), "next");
}

TEST_F(HubAndLink, TheCallersDeadlineReachesTheOperation) {
    auto& operations = AddAgent("n1").core().operations();
    const absl::Time latest = absl::Now() + absl::Seconds(20);
    CreateKeyCall call(*stub_, "n1", "s", absl::Seconds(20));
    const auto begun = operations.Next();
    ASSERT_NE(begun, nullptr);
    EXPECT_THAT(begun->context.deadline, Ge(latest - absl::Seconds(5)));
    EXPECT_THAT(begun->context.deadline, Lt(latest + absl::Seconds(1)));
    EXPECT_NE(begun->context.operation_id, "");
    begun->done(absl::DeadlineExceededError("the token is busy"));
    EXPECT_EQ(call.Wait().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_THAT(call.Wait().error_message(), testing::HasSubstr("the token is busy"));
}

TEST_F(HubAndLink, ANodeThatDropsOffFailsItsCallsAtOnceAndIsServedWhenItIsBack) {
    auto& agent = AddAgent("n1");
    auto call = std::make_unique<CreateKeyCall>(*stub_, "n1", "s");
    const auto begun = agent.core().operations().Next();
    ASSERT_NE(begun, nullptr);
    agents_.clear();
    ASSERT_TRUE(call->WaitFor(absl::Seconds(2)));
    EXPECT_EQ(call->Wait().error_code(), grpc::StatusCode::ABORTED);
    EXPECT_TRUE(main_->WaitForConnection("n1", false));
    AddAgent("n1").core().operations().AnswerAtOnce(
        [](const node::Request& request) -> node::Outcome { return Echo(request); });
    CreateKeyCall next(*stub_, "n1", "next");
    EXPECT_TRUE(next.Wait().ok());
}

TEST_F(HubAndLink, EveryNodeIsBackWhenTheMainNodeHasRestarted) {
    constexpr int kNodes = 20;
    for (int i = 0; i < kNodes; ++i) {
        AddAgent(absl::StrCat("n", i));
    }
    const int public_port = main_->public_port();
    const int protected_port = main_->protected_port();
    main_ = nullptr;
    main_ = std::make_unique<test::FakeMainNode>(public_port, protected_port);
    for (int i = 0; i < kNodes; ++i) {
        EXPECT_TRUE(main_->WaitForConnection(absl::StrCat("n", i)));
    }
}

TEST_F(HubAndLink, AnAgentThatDrainsAnswersWhatItHasBegun) {
    auto& agent = AddAgent("n1");
    CreateKeyCall call(*stub_, "n1", "s");
    const auto begun = agent.core().operations().Next();
    ASSERT_NE(begun, nullptr);
    const auto timer = scheduler_->After(absl::Milliseconds(200), [&] { begun->done(Echo(begun->request)); });
    agent.link().Drain(absl::Seconds(5));
    ASSERT_TRUE(call.Wait().ok()) << call.Wait().error_message();
    EXPECT_EQ(call.response().csr(), "s");
    EXPECT_TRUE(main_->WaitForConnection("n1", false));
}

TEST_F(HubAndLink, ManyNodesAreServedAtOnce) {
    constexpr int kNodes = 100;
    for (int i = 0; i < kNodes; ++i) {
        AddAgent(absl::StrCat("n", i))
            .core()
            .operations()
            .AnswerAtOnce([](const node::Request& request) -> node::Outcome { return Echo(request); });
    }
    std::vector<std::unique_ptr<CreateKeyCall>> calls;
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < kNodes; ++i) {
            calls.push_back(std::make_unique<CreateKeyCall>(*stub_, absl::StrCat("n", i), absl::StrCat(round, "/", i)));
        }
    }
    for (const auto& call : calls) {
        ASSERT_TRUE(call->Wait().ok()) << call->Wait().error_message();
        EXPECT_EQ(call->response().csr(), call->subject());
    }
}

}  // namespace
}  // namespace provhub
