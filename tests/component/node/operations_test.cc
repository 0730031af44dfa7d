#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stop_token>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/component/node/test_node.h"
#include "tests/support/status_matchers.h"

namespace provhub::test {
namespace {

using ::testing::HasSubstr;

// Held in a call of the token "core".
class BusyNode : public ::testing::Test {
 protected:
    void SetUp() override {
        ASSERT_THAT(node_.Boot(), IsOk());
        ASSERT_THAT(node_.Start(), IsOk());
    }

    node::CallContext Until(absl::Duration limit) {
        node::CallContext context;
        context.deadline = node_.scheduler().Now() + limit;
        return context;
    }

    TestNode node_;
};

TEST_F(BusyNode, ServesAnotherTypeMeanwhile) {
    FakeHsm::Hold hold(node_.token("core"), "GenerateKeyPair");
    auto iam = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"));
    ASSERT_TRUE(hold.AwaitCalls(1));
    EXPECT_THAT(node_.CreateKey("online"), IsOk());
    EXPECT_THAT(node_.Types(), IsOk());
    EXPECT_FALSE(iam.Answered());
    hold.Release();
    EXPECT_THAT(iam.Await(), IsOk());
}

TEST_F(BusyNode, LetsCallsForOneTypeTakeTurns) {
    FakeHsm::Hold hold(node_.token("core"), "GenerateKeyPair");
    auto first = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"));
    ASSERT_TRUE(hold.AwaitCalls(1));
    auto second = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-2"));
    auto finish = node_.Begin(FinishRequest(kPassword));
    EXPECT_THAT(node_.Types(), IsOk());
    EXPECT_FALSE(second.Answered());
    EXPECT_FALSE(finish.Answered());
    hold.Release();
    EXPECT_NE(first.Await()->create_key_response().csr(), second.Await()->create_key_response().csr());
    EXPECT_THAT(node::ReplyStatus(*finish.Await()), IsError(absl::StatusCode::kFailedPrecondition, "no valid"));
}

TEST_F(BusyNode, AnswersAtTheDeadlineWhileTheWorkGoesOn) {
    FakeHsm::Hold hold(node_.token("core"), "GenerateKeyPair");
    auto begun = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"), Until(absl::Seconds(5)));
    ASSERT_TRUE(hold.AwaitCalls(1));
    auto waiting = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"), Until(absl::Seconds(5)));
    node_.scheduler().Advance(absl::Seconds(5));
    EXPECT_THAT(begun.Await(), IsError(absl::StatusCode::kDeadlineExceeded, "outcome is unknown"));
    EXPECT_THAT(waiting.Await(), IsError(absl::StatusCode::kDeadlineExceeded, "not begun"));
    hold.Release();
    ASSERT_TRUE(node_.scheduler().WaitUntilIdle());
    EXPECT_EQ(node_.token("core").Calls("GenerateKeyPair"), 2) << "one self-signed, one begun";
}

TEST_F(BusyNode, GivesACallerWithoutADeadlineTheLocalLimit) {
    FakeHsm::Hold hold(node_.token("core"), "GenerateKeyPair");
    auto call = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"));
    ASSERT_TRUE(hold.AwaitCalls(1));
    node_.scheduler().Advance(absl::Seconds(59));
    EXPECT_FALSE(call.Answered());
    node_.scheduler().Advance(absl::Seconds(1));
    EXPECT_THAT(call.Await(), IsError(absl::StatusCode::kDeadlineExceeded, ""));
}

TEST_F(BusyNode, DoesNotBeginWhatNobodyWaitsFor) {
    FakeHsm::Hold hold(node_.token("core"), "GenerateKeyPair");
    auto first = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"));
    ASSERT_TRUE(hold.AwaitCalls(1));
    std::stop_source caller;
    node::CallContext context;
    context.cancelled = caller.get_token();
    auto second = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"), context);
    caller.request_stop();
    EXPECT_THAT(second.Await(), IsError(absl::StatusCode::kCancelled, ""));
    hold.Release();
    EXPECT_THAT(first.Await(), IsOk());
    ASSERT_TRUE(node_.scheduler().WaitUntilIdle());
    EXPECT_EQ(node_.token("core").Calls("GenerateKeyPair"), 2);
}

TEST_F(BusyNode, FinishesWhatHasBegunWhenTheCallerGoes) {
    FakeHsm::Hold hold(node_.token("core"), "GenerateKeyPair");
    std::stop_source caller;
    node::CallContext context;
    context.cancelled = caller.get_token();
    auto call = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"), context);
    ASSERT_TRUE(hold.AwaitCalls(1));
    caller.request_stop();
    hold.Release();
    EXPECT_THAT(call.Await(), IsOk());
}

TEST_F(BusyNode, AnswersEverybodyWhenItStops) {
    auto hold = std::make_unique<FakeHsm::Hold>(node_.token("core"), "GenerateKeyPair");
    auto begun = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"));
    ASSERT_TRUE(hold->AwaitCalls(1));
    auto waiting = node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"));
    std::thread stopping([this] { node_.Stop(); });
    EXPECT_THAT(begun.Await(), IsError(absl::StatusCode::kAborted, ""));
    EXPECT_THAT(waiting.Await(), IsError(absl::StatusCode::kUnavailable, ""));
    hold.reset();
    stopping.join();
}

TEST_F(BusyNode, RefusesWhatWouldPileUp) {
    FakeHsm::Hold hold(node_.token("core"), "GenerateKeyPair");
    std::vector<RunningCall> calls;
    for (int i = 0; i < 256; ++i) {
        calls.push_back(node_.Begin(CreateKeyRequest("iam", kPassword, "unit-1"), Until(absl::Seconds(5))));
    }
    EXPECT_THAT(node_.Call(CreateKeyRequest("iam", kPassword, "unit-1")),
                IsError(absl::StatusCode::kResourceExhausted, "try again"));
    node_.scheduler().Advance(absl::Seconds(5));
}

TEST_F(BusyNode, DoesNotHoldUpTheOtherTokenInApplyCert) {
    const auto iam = node_.CreateKey("iam");
    const auto online = node_.CreateKey("online");
    FakeHsm::Hold hold(node_.token("core"), "StoreCertificate");
    auto held = node_.Begin(ApplyCertRequest("iam", node_.Chain(*iam)));
    ASSERT_TRUE(hold.AwaitCalls(1));
    EXPECT_THAT(node_.ApplyCert("online", node_.Chain(*online)), IsOk());
    hold.Release();
    EXPECT_THAT(held.Await(), IsOk());
}

TEST(Operations, NameNodeAndCallInTheirErrors) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    const auto reply = node.Call(CreateKeyRequest("iam", kPassword, "unit-1"));
    ASSERT_THAT(reply, IsOk());
    EXPECT_THAT(reply->create_key_response().error().message(), HasSubstr("node node-1: CreateKey(iam): "));
    EXPECT_EQ(reply->create_key_response().error().aos_code(), 9);
}

TEST(Operations, ListCertificatesInEveryModeAndState) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    node::Request request;
    request.mutable_list_certificates_request()->add_types("online");
    auto reply = node.Call(request);
    ASSERT_THAT(reply, IsOk());
    EXPECT_EQ(reply->list_certificates_response().certificates_size(), 0);
    ASSERT_THAT(node.Provision(), IsOk());
    node.provisioning_mode = false;
    ASSERT_THAT(node.Boot(), IsOk());
    reply = node.Call(request);
    ASSERT_THAT(reply, IsOk());
    ASSERT_EQ(reply->list_certificates_response().certificates_size(), 1);
    const auto& certificate = reply->list_certificates_response().certificates(0);
    const auto record = node.core().certificates().Get("online", "", "");
    EXPECT_EQ(certificate.info().serial(), record->serial);
    EXPECT_EQ(certificate.info().key_url(), record->key_url);
    EXPECT_EQ(certificate.not_after().seconds(), absl::ToUnixSeconds(record->not_after));
    EXPECT_EQ(certificate.issuer(), "CN=Intermediate");
    request.mutable_list_certificates_request()->add_types("nonsense");
    EXPECT_TRUE(absl::IsNotFound(node.Call(request).status()));
}

TEST(Operations, EnrolManyTypesAtOnce) {
    TestNode node;
    for (int i = 0; i < 4; ++i) {
        auto* module = node.config.add_cert_modules();
        *module = node.config.cert_modules(0);
        module->set_id(absl::StrCat("more", i));
    }
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto types = *node.Types();
    std::vector<RunningCall> calls;
    for (const std::string& type : types) {
        calls.push_back(node.Begin(CreateKeyRequest(type, kPassword, "unit-1")));
    }
    std::vector<RunningCall> applied;
    for (std::size_t i = 0; i < types.size(); ++i) {
        const auto reply = calls[i].Await();
        ASSERT_THAT(reply, IsOk());
        applied.push_back(node.Begin(ApplyCertRequest(types[i], node.Chain(reply->create_key_response().csr()))));
    }
    for (RunningCall& call : applied) {
        EXPECT_THAT(node::ReplyStatus(*call.Await()), IsOk());
    }
    EXPECT_THAT(node.Finish(), IsOk());
    node.ExpectEveryIdentityWorks();
}

}  // namespace
}  // namespace provhub::test
