// Which streams carry the calls of a node, as far as they prove which node it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "provhub/v1/join_tokens.grpc.pb.h"
#include "tests/component/hub/main_node_fixture.h"

namespace provhub {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

constexpr char kCertificate[] = "test-certificate-of";

// A stream says in its metadata what its certificate would say.
service::Caller CallerOf(const grpc::CallbackServerContext& context) {
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find(kCertificate);
    if (found == metadata.end()) {
        return {.authenticated = false, .name = "anonymous", .node_ids = {}, .listener = "public"};
    }
    std::string id(found->second.data(), found->second.size());
    return {.authenticated = true, .name = "CN=" + id, .node_ids = {id}, .listener = "protected"};
}

class StreamTrustTest : public MainNodeFixture {
 protected:
    using Metadata = std::vector<std::pair<std::string, std::string>>;

    StreamTrustTest() {
        options_.provisioning_mode = false;
        options_.sessions.caller_of = CallerOf;
        options_.sessions.on_refused = [this](const service::Refusal& stream, auto done) {
            absl::MutexLock lock(&mutex_);
            refusals_.push_back(absl::StrCat(stream.caller.name, " as ", stream.node, ": ",
                                             absl::StatusCodeToString(stream.reason.code())));
            done();
        };
    }

    std::unique_ptr<test::ScriptedAgent> Stream(const iamanager::v6::NodeInfo& info, const Metadata& metadata = {},
                                                bool correlated = true) {
        return std::make_unique<test::ScriptedAgent>(
            PublicAddress(), info, test::AgentOptions{.correlated = correlated, .metadata = metadata});
    }
    std::unique_ptr<test::ScriptedAgent> Proven(const std::string& id, bool handover = false) {
        Metadata metadata = {{kCertificate, id}};
        if (handover) {
            metadata.emplace_back("provhub-handover", "1");
        }
        return Stream(test::AgentInfo(id, "provisioned"), metadata);
    }

    // How the stream was refused; OK where it is open.
    static StatusCode Refusal(test::ScriptedAgent& agent) {
        if (agent.WaitUntilAdmitted()) {
            return StatusCode::OK;
        }
        return agent.WaitForEnd()->error_code();
    }

    std::vector<std::string> Refusals() {
        absl::MutexLock lock(&mutex_);
        return refusals_;
    }

    std::string CreateToken(const std::string& node_id = "") {
        EnsureChannel();
        v1::CreateJoinTokenRequest request;
        request.set_node_id(node_id);
        v1::CreateJoinTokenResponse response;
        grpc::ClientContext context;
        const auto status =
            v1::JoinTokenService::NewStub(Connect(ProtectedAddress()))->CreateJoinToken(&context, request, &response);
        EXPECT_TRUE(status.ok()) << status.error_message();
        return response.token();
    }

    absl::Mutex mutex_;
    std::vector<std::string> refusals_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(StreamTrustTest, ACertificateLetsItsOwnNodeInAndNoOther) {
    const auto good = Proven("n1");
    EXPECT_EQ(Refusal(*good), StatusCode::OK);
    const auto forged = Stream(test::AgentInfo("n1", "provisioned"), {{kCertificate, "n2"}});
    EXPECT_EQ(Refusal(*forged), StatusCode::PERMISSION_DENIED);
    EXPECT_THAT(Refusals(), testing::ElementsAre("CN=n2 as n1: PERMISSION_DENIED"));
    EXPECT_TRUE(IsConnected("n1"));
    EXPECT_FALSE(good->WaitForEnd(absl::ZeroDuration()));
}

TEST_F(StreamTrustTest, AnUnprovenStreamNeverDisplacesAProvenOne) {
    const auto proven = Proven("n1");
    ASSERT_EQ(Refusal(*proven), StatusCode::OK);
    const auto intruder = Stream(test::AgentInfo("n1", "unprovisioned"));
    EXPECT_EQ(Refusal(*intruder), StatusCode::PERMISSION_DENIED);
    EXPECT_TRUE(IsConnected("n1"));
    EXPECT_EQ(main_node_->registry().Find("n1")->info().state(), "provisioned");
    auto call = CreateKey("n1", "online");
    const auto request = proven->Receive();
    ASSERT_TRUE(request);
    proven->Send(CsrReply(*request, "csr"));
    EXPECT_EQ(call.get().response.csr(), "csr");
}

TEST_F(StreamTrustTest, AProvenStreamDisplacesAnUnprovenOne) {
    const auto unproven = Stream(test::AgentInfo("n1", "unprovisioned"));
    ASSERT_EQ(Refusal(*unproven), StatusCode::OK);
    const auto proven = Proven("n1");
    EXPECT_EQ(Refusal(*proven), StatusCode::OK);
    EXPECT_EQ(unproven->WaitForEnd()->error_code(), StatusCode::ABORTED);
}

TEST_F(StreamTrustTest, WithoutAHandoverTheNewestStreamFencesTheOneBefore) {
    const auto older = Proven("n1");
    auto call = CreateKey("n1", "online");
    ASSERT_TRUE(older->Receive());
    const auto newer = Proven("n1");
    EXPECT_EQ(call.get().status.error_code(), StatusCode::ABORTED);
    EXPECT_EQ(older->WaitForEnd()->error_code(), StatusCode::ABORTED);
}

TEST_F(StreamTrustTest, AfterAHandoverTheOldStreamBringsItsAnswersAndEnds) {
    const auto older = Proven("n1");
    auto call = CreateKey("n1", "online");
    const auto request = *older->Receive();
    const auto newer = Proven("n1", /*handover=*/true);
    ASSERT_EQ(Refusal(*newer), StatusCode::OK);
    auto next = CreateKey("n1", "iam");
    const auto next_request = newer->Receive();
    ASSERT_TRUE(next_request);
    EXPECT_FALSE(older->WaitForEnd(absl::ZeroDuration()));
    older->Send(CsrReply(request, "old"));
    EXPECT_EQ(call.get().response.csr(), "old");
    EXPECT_TRUE(older->WaitForEnd()->ok());
    newer->Send(CsrReply(*next_request, "new"));
    EXPECT_EQ(next.get().response.csr(), "new");
    EXPECT_TRUE(IsConnected("n1"));
}

TEST_F(StreamTrustTest, AStreamThatWasHandedOverChangesNothingAnyMore) {
    const auto older = Proven("n1");
    auto call = CreateKey("n1", "online");
    ASSERT_TRUE(older->Receive());
    const auto newer = Proven("n1", /*handover=*/true);
    ASSERT_EQ(Refusal(*newer), StatusCode::OK);
    older->SendInfo(test::AgentInfo("n1", "paused"));
    older->Cut();
    EXPECT_EQ(call.get().status.error_code(), StatusCode::ABORTED);
    EXPECT_TRUE(IsConnected("n1"));
    EXPECT_EQ(main_node_->registry().Find("n1")->info().state(), "provisioned");
}

TEST_F(StreamTrustTest, UnprovenStreamsAreNotHandedOver) {
    const auto info = test::AgentInfo("n1", "unprovisioned");
    const auto older = Stream(info);
    auto call = CreateKey("n1", "online");
    ASSERT_TRUE(older->Receive());
    const auto newer = Stream(info, {{"provhub-handover", "1"}});
    EXPECT_EQ(call.get().status.error_code(), StatusCode::ABORTED);
    EXPECT_EQ(older->WaitForEnd()->error_code(), StatusCode::ABORTED);
}

TEST_F(StreamTrustTest, FiftyHandoversUnderLoadFailNoCall) {
    // Before a ping would push out what is held back.
    constexpr absl::Duration kEndOfOldStream = absl::Seconds(5);
    std::atomic<bool> stop = false;
    std::atomic<int> served = 0;
    std::atomic<int> failed = 0;
    EnsureChannel();
    const auto answer = [](const node::Request& request) { return CsrReply(request, "csr"); };
    std::deque<std::unique_ptr<test::ScriptedAgent>> agents;
    agents.push_back(Proven("n1"));
    agents.back()->AnswerWith(answer);
    std::vector<std::thread> callers;
    for (int c = 0; c < 8; ++c) {
        callers.emplace_back([&] {
            while (!stop) {
                const auto result = CreateKeyNow(KeyRequest("n1", "online"));
                result.status.ok() ? ++served : ++failed;
            }
        });
    }
    for (int i = 0; i < 50; ++i) {
        // Reads nothing before it knows how to answer.
        auto next = std::make_unique<test::ScriptedAgent>(
            PublicAddress(), test::AgentOptions{.metadata = {{kCertificate, "n1"}, {"provhub-handover", "1"}}});
        next->AnswerWith(answer);
        next->SendInfo(test::AgentInfo("n1", "provisioned"));
        const StatusCode refusal = Refusal(*next);
        const int before = served;
        const auto end = agents.back()->WaitForEnd(kEndOfOldStream);
        agents.push_back(std::move(next));
        EXPECT_EQ(refusal, StatusCode::OK);
        EXPECT_TRUE(end.has_value() && end->ok()) << "the stream before goes on";
        EXPECT_TRUE(Eventually([&] { return served > before || failed > 0; }));
        if (HasFailure()) {
            break;
        }
    }
    stop = true;
    for (auto& caller : callers) {
        caller.join();
    }
    EXPECT_EQ(failed, 0);
    EXPECT_GT(served, 50);
}

TEST_F(StreamTrustTest, UnprovenStreamsAreBounded) {
    options_.sessions.max_unproven = 2;
    Start();
    std::vector<std::unique_ptr<test::ScriptedAgent>> agents;
    for (const char* id : {"n1", "n2", "n3"}) {
        agents.push_back(Stream(test::AgentInfo(id, "unprovisioned")));
    }
    EXPECT_EQ(Refusal(*agents[2]), StatusCode::RESOURCE_EXHAUSTED);
    const auto proven = Proven("n4");
    EXPECT_EQ(Refusal(*proven), StatusCode::OK);
    agents[0]->Cut();
    EXPECT_TRUE(Eventually([&] { return Refusal(*Stream(test::AgentInfo("n3", "unprovisioned"))) == StatusCode::OK; }));
}

class JoinTokenTest : public StreamTrustTest {
 protected:
    JoinTokenTest() { options_.sessions.require_join_token = true; }

    std::unique_ptr<test::ScriptedAgent> Join(const std::string& id, const std::string& token,
                                              const std::string& rejoin_secret = "") {
        Metadata metadata;
        if (!token.empty()) {
            metadata.emplace_back("provhub-join-token", token);
        }
        if (!rejoin_secret.empty()) {
            metadata.emplace_back("provhub-rejoin-secret", rejoin_secret);
        }
        return Stream(test::AgentInfo(id, "unprovisioned"), metadata);
    }
};

TEST_F(JoinTokenTest, WithoutATokenANodeStaysOut) {
    const auto agent = Join("n1", "");
    EXPECT_EQ(Refusal(*agent), StatusCode::UNAUTHENTICATED);
    EXPECT_THAT(agent->WaitForEnd()->error_message(), HasSubstr("shows no join token"));
    EXPECT_THAT(Refusals(), testing::ElementsAre("anonymous as n1: UNAUTHENTICATED"));
    EXPECT_EQ(main_node_->registry().Find("n1"), nullptr);
}

TEST_F(JoinTokenTest, ATokenLetsANodeInAndItsSecretLetsItBackIn) {
    const std::string token = CreateToken("n1");
    auto agent = Join("n1", token);
    ASSERT_EQ(Refusal(*agent), StatusCode::OK);
    const std::string secret = agent->Metadata("provhub-rejoin-secret");
    EXPECT_EQ(secret.size(), 43u);
    agent = Join("n1", token, secret);
    EXPECT_EQ(Refusal(*agent), StatusCode::OK);
    EXPECT_EQ(agent->Metadata("provhub-rejoin-secret"), "");
}

TEST_F(JoinTokenTest, AReplayedOrForeignTokenIsRefusedAndToldOf) {
    const std::string token = CreateToken("n1");
    EXPECT_EQ(Refusal(*Join("n2", token)), StatusCode::PERMISSION_DENIED);
    const auto good = Join("n1", token);
    EXPECT_EQ(Refusal(*good), StatusCode::OK);
    EXPECT_EQ(Refusal(*Join("n1", token)), StatusCode::PERMISSION_DENIED);
    EXPECT_EQ(Refusals().size(), 2u);
    EXPECT_TRUE(IsConnected("n1"));
}

class PlaintextJoinTest : public JoinTokenTest {
 protected:
    PlaintextJoinTest() {
        options_.provisioning_mode = true;
        options_.sessions.plaintext = true;
    }

    v1::JoinToken OnlyToken() {
        grpc::ClientContext context;
        v1::ListJoinTokensResponse response;
        EXPECT_TRUE(v1::JoinTokenService::NewStub(Connect(ProtectedAddress()))
                        ->ListJoinTokens(&context, v1::ListJoinTokensRequest(), &response)
                        .ok());
        return response.tokens_size() == 1 ? response.tokens(0) : v1::JoinToken();
    }
};

TEST_F(PlaintextJoinTest, ATokenThatAnybodyMayHaveReadIsSpentAndLetsNobodyIn) {
    const std::string token = CreateToken();
    const auto agent = Join("n1", token);
    EXPECT_EQ(Refusal(*agent), StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(agent->WaitForEnd()->error_message(), HasSubstr("over plaintext"));
    EXPECT_EQ(OnlyToken().used_by(), "n1");
    EXPECT_EQ(Refusals().size(), 1U);
}

class PlaintextTest : public PlaintextJoinTest {
 protected:
    PlaintextTest() { options_.sessions.require_join_token = false; }
};

TEST_F(PlaintextTest, ATokenIsSpentWhereNoneIsRequiredToo) {
    const std::string token = CreateToken();
    EXPECT_EQ(Refusal(*Join("n1", token)), StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(OnlyToken().used_by(), "n1");
    EXPECT_EQ(Refusal(*Join("n1", "")), StatusCode::OK);
}

TEST_F(PlaintextJoinTest, ANodeWithoutATokenIsToldToUseTls) {
    const auto agent = Join("n1", "");
    EXPECT_EQ(Refusal(*agent), StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(agent->WaitForEnd()->error_message(), HasSubstr("set provisioningTransport to tls"));
}

TEST_F(JoinTokenTest, ANodeWithAnIdentityNeedsNoneAndItsSecretEnds) {
    const auto joined = Join("n1", CreateToken());
    ASSERT_EQ(Refusal(*joined), StatusCode::OK);
    const std::string secret = joined->Metadata("provhub-rejoin-secret");
    auto proven = Proven("n1");
    EXPECT_EQ(Refusal(*proven), StatusCode::OK);
    proven.reset();
    ASSERT_TRUE(Eventually([&] { return !IsConnected("n1"); }));
    EXPECT_EQ(Refusal(*Join("n1", "", secret)), StatusCode::UNAUTHENTICATED);
}

}  // namespace
}  // namespace provhub
