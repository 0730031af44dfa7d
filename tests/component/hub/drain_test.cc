// How a main node stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/component/hub/grpc_standard_calls.h"
#include "tests/component/hub/main_node_fixture.h"

namespace provhub {
namespace {

using testing::HasSubstr;

class DrainTest : public MainNodeFixture {
 protected:
    std::future<absl::Duration> Drain(absl::Duration limit) {
        return std::async(std::launch::async, [this, limit] {
            const absl::Time begin = absl::Now();
            main_node_->Drain(limit);
            return absl::Now() - begin;
        });
    }
};

TEST_F(DrainTest, IsQuickWhenNothingRunsButStreams) {
    auto agent = Agent("n1");
    const auto watch_channel = Connect(PublicAddress());
    auto stub = v1::NodeDirectoryService::NewStub(watch_channel);
    grpc::ClientContext context;
    const auto watch = stub->WatchNodes(&context, {});
    watch->WaitForInitialMetadata();
    EXPECT_LT(Drain(absl::Seconds(5)).get(), absl::Seconds(2));
    v1::NodeStatus change;
    while (watch->Read(&change)) {
    }
    EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(agent->WaitForEnd()->error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(DrainTest, LetsARunningCallFinish) {
    auto agent = Agent("n1");
    auto call = CreateKey("n1", "online");
    const auto request = *agent->Receive();
    auto drained = Drain(absl::Seconds(10));
    const auto channel = Connect(PublicAddress());
    EXPECT_TRUE(Eventually([&] { return !test::IsServing(channel); }));
    EXPECT_EQ(CreateKey("n1", "online").get().status.error_code(), grpc::StatusCode::UNAVAILABLE);
    agent->Send(CsrReply(request, "csr"));
    EXPECT_EQ(call.get().response.csr(), "csr");
    EXPECT_LT(drained.get(), absl::Seconds(5));
}

TEST_F(DrainTest, AnswersWhatDoesNotFinishInTime) {
    auto agent = Agent("n1");
    auto forwarded = CreateKey("n1", "online");
    ASSERT_TRUE(agent->Receive());
    auto local = CreateKey("", "online");
    auto operation = core_.operations().Next();
    const absl::Duration took = Drain(absl::Seconds(1)).get();
    EXPECT_LT(took, absl::Milliseconds(1500));
    EXPECT_EQ(forwarded.get().status.error_code(), grpc::StatusCode::ABORTED);
    const auto result = local.get();
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::ABORTED);
    EXPECT_THAT(result.status.error_message(), HasSubstr("shutting down"));
    EXPECT_TRUE(operation->context.cancelled.stop_requested());
    main_node_.reset();
    operation->done(absl::CancelledError("late"));
}

TEST_F(DrainTest, UnderLoadNeitherHangsNorCrashes) {
    std::vector<std::unique_ptr<test::ScriptedAgent>> agents;
    for (int i = 0; i < 4; ++i) {
        agents.push_back(Agent("n" + std::to_string(i)));
        agents.back()->AnswerWith([](const node::Request& request) { return CsrReply(request, "csr"); });
    }
    EnsureChannel();
    std::atomic<bool> stop = false;
    std::atomic<int> served = 0;
    std::vector<std::thread> callers;
    for (int c = 0; c < 8; ++c) {
        callers.emplace_back([&, c] {
            for (int i = 0; !stop; ++i) {
                const auto result = CreateKeyNow(KeyRequest("n" + std::to_string((c + i) % 4), "online"));
                served += result.status.ok() ? 1 : 0;
            }
        });
    }
    EXPECT_TRUE(Eventually([&] { return served > 200; }));
    EXPECT_LT(Drain(absl::Seconds(5)).get(), absl::Seconds(5));
    main_node_.reset();
    stop = true;
    for (auto& caller : callers) {
        caller.join();
    }
}

TEST_F(DrainTest, NodesThatComeAndGoUnderLoadHarmNothing) {
    std::atomic<bool> stop = false;
    EnsureChannel();
    std::vector<std::thread> threads;
    for (int c = 0; c < 4; ++c) {
        threads.emplace_back([&] {
            while (!stop) {
                CreateKeyNow(KeyRequest("n1", "online"), absl::Milliseconds(50));
            }
        });
    }
    for (int i = 0; i < 60; ++i) {
        auto agent = Agent("n1", {.correlated = i % 2 == 0});
        agent->AnswerWith([](const node::Request& request) { return CsrReply(request, "csr"); });
        ASSERT_TRUE(IsConnected("n1"));
        if (i % 3 == 0) {
            agent->HalfClose();
        }
    }
    stop = true;
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_TRUE(Eventually([&] { return main_node_->PendingCallsOf("n1") == 0 && !IsConnected("n1"); }));
}

}  // namespace
}  // namespace provhub
