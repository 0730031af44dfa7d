#include "common/audit/audited_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/audit/audit_log.h"
#include "common/node/method_table.h"
#include "tests/support/json_lines.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/scripted_endpoint.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace provhub::audit {
namespace {

using test::IsError;
using test::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

node::Request CreateKeyRequest() {
    node::Request request;
    auto& create_key = *request.mutable_create_key_request();
    create_key.set_node_id("n1");
    create_key.set_type("iam");
    create_key.set_subject("unit-1");
    create_key.set_password("correct horse");
    return request;
}

node::Reply ApplyCertReply() {
    node::Reply reply;
    reply.mutable_apply_cert_response()->mutable_cert_info()->set_serial("12ab");
    return reply;
}

// No file of this process grows while it lives.
class FullDisk {
 public:
    explicit FullDisk(std::size_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        handler_ = std::signal(SIGXFSZ, SIG_IGN);
        struct rlimit full = before_;
        full.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &full);
    }
    ~FullDisk() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

 private:
    struct rlimit before_ {};
    void (*handler_)(int) = nullptr;
};

class AuditedEndpointTest : public ::testing::Test {
 protected:
    struct Answer {
        absl::Notification given;
        std::optional<node::Outcome> outcome;
    };

    AuditedEndpointTest() {
        auto log = AuditLog::Open({.path = dir_.File("log")}, clock_);
        EXPECT_THAT(log, IsOk());
        log_ = *std::move(log);
        endpoint_ = std::make_unique<AuditedEndpoint>("main", behind_, *log_, clock_);
    }

    std::shared_ptr<Answer> Call(node::Request request, node::CallContext context = {}) {
        auto answer = std::make_shared<Answer>();
        endpoint_->Call(std::move(request), std::move(context), [answer](node::Outcome outcome) {
            answer->outcome = std::move(outcome);
            answer->given.Notify();
        });
        return answer;
    }

    static node::Outcome Await(const std::shared_ptr<Answer>& answer) {
        return answer->given.WaitForNotificationWithTimeout(absl::Seconds(20)) ? *answer->outcome
                                                                               : absl::UnknownError("no answer");
    }

    std::vector<nlohmann::json> Records() { return test::JsonLines(dir_.Read("log")); }

    test::TempDir dir_;
    test::ManualScheduler clock_;
    test::ScriptedEndpoint behind_;
    std::unique_ptr<AuditLog> log_;
    std::unique_ptr<AuditedEndpoint> endpoint_;
};

TEST_F(AuditedEndpointTest, RecordsACallBeforeItIsBegunAndBeforeItIsAnswered) {
    const auto answer = Call(CreateKeyRequest(), {.operation_id = "0123", .caller = "CN=operator-1"});
    const auto call = behind_.Next();
    ASSERT_NE(call, nullptr);
    ASSERT_THAT(Records(), SizeIs(2));
    const auto begun = Records()[1];
    EXPECT_EQ(begun["event"], "begun");
    EXPECT_EQ(begun["operation_id"], "0123");
    EXPECT_EQ(begun["caller"], "CN=operator-1");
    EXPECT_EQ(begun["method"], "CreateKey");
    EXPECT_EQ(begun["node"], "n1");
    EXPECT_EQ(begun["message"], "type iam, subject unit-1");
    EXPECT_EQ(begun["result"], "");
    EXPECT_FALSE(answer->given.HasBeenNotified());

    clock_.Advance(absl::Milliseconds(1500));
    node::Reply reply;
    reply.mutable_create_key_response()->set_csr("a request");
    call->done(reply);
    const node::Outcome outcome = Await(answer);
    ASSERT_THAT(outcome, IsOk());
    EXPECT_EQ(outcome->create_key_response().csr(), "a request");
    ASSERT_THAT(Records(), SizeIs(3));
    const auto done = Records()[2];
    EXPECT_EQ(done["event"], "done");
    EXPECT_EQ(done["operation_id"], "0123");
    EXPECT_EQ(done["caller"], "CN=operator-1");
    EXPECT_EQ(done["result"], "OK");
    EXPECT_EQ(done["duration_ms"], 1500);
}

TEST_F(AuditedEndpointTest, HandsTheCallOnAsItIs) {
    std::stop_source stop;
    const absl::Time deadline = clock_.Now() + absl::Seconds(7);
    const auto answer =
        Call(CreateKeyRequest(),
             {.operation_id = "0123", .caller = "x", .deadline = deadline, .cancelled = stop.get_token()});
    const auto call = behind_.Next();
    ASSERT_NE(call, nullptr);
    EXPECT_EQ(call->request.SerializeAsString(), CreateKeyRequest().SerializeAsString());
    EXPECT_EQ(call->context.operation_id, "0123");
    EXPECT_EQ(call->context.deadline, deadline);
    EXPECT_FALSE(call->context.cancelled.stop_requested());
    stop.request_stop();
    EXPECT_TRUE(call->context.cancelled.stop_requested());
    call->done(absl::CancelledError("the caller has gone"));
    EXPECT_THAT(Await(answer), IsError(absl::StatusCode::kCancelled, "the caller has gone"));
    EXPECT_EQ(Records()[2]["result"], "CANCELLED");
}

TEST_F(AuditedEndpointTest, RecordsWhatAnErrorSaysAndWhatACertificateIsCalled) {
    node::Request apply;
    apply.mutable_apply_cert_request()->set_type("iam");
    auto answer = Call(apply);
    behind_.Next()->done(ApplyCertReply());
    ASSERT_THAT(Await(answer), IsOk());
    EXPECT_EQ(Records()[2]["node"], "main");
    EXPECT_EQ(Records()[2]["message"], "type iam, serial 12ab");

    answer = Call(CreateKeyRequest());
    behind_.Next()->done(node::ErrorReply(*node::FindByRequest(node::Request::kCreateKeyRequest),
                                          absl::PermissionDeniedError("wrong password")));
    ASSERT_THAT(Await(answer), IsOk());
    EXPECT_NE(Records()[4]["result"], "OK");
    EXPECT_EQ(Records()[4]["message"], "wrong password");
}

TEST_F(AuditedEndpointTest, KeepsPasswordsOutOfTheLog) {
    const auto answer = Call(CreateKeyRequest());
    behind_.Next()->done(absl::UnavailableError("gone"));
    EXPECT_THAT(Await(answer), Not(IsOk()));
    EXPECT_THAT(dir_.Read("log"), Not(HasSubstr("correct horse")));
}

TEST_F(AuditedEndpointTest, LeavesNoRecordOfReading) {
    node::Request request;
    request.mutable_get_cert_types_request();
    const auto answer = Call(request);
    // At once, on this thread.
    ASSERT_EQ(behind_.waiting(), 1u);
    behind_.Next()->done(node::Reply());
    EXPECT_TRUE(answer->given.HasBeenNotified());
    EXPECT_THAT(Records(), SizeIs(1));
}

TEST_F(AuditedEndpointTest, BeginsNothingThatItCannotRecord) {
    const FullDisk full(dir_.Read("log").size() + 10);
    const auto answer = Call(CreateKeyRequest());
    EXPECT_THAT(Await(answer),
                IsError(absl::StatusCode::kUnavailable, "the audit log can't be written: nothing was begun"));
    EXPECT_EQ(behind_.waiting(), 0u);
    EXPECT_THAT(Records(), SizeIs(1));
}

TEST_F(AuditedEndpointTest, AnswersWhatIsDoneEvenWhereItCannotBeRecorded) {
    const auto answer = Call(CreateKeyRequest());
    const auto call = behind_.Next();
    ASSERT_NE(call, nullptr);
    const FullDisk full(dir_.Read("log").size() + 10);
    call->done(node::Reply());
    EXPECT_THAT(Await(answer), IsOk());
    EXPECT_THAT(Records(), SizeIs(2));
}

TEST_F(AuditedEndpointTest, ServesManyCallsAtOnce) {
    behind_.AnswerAtOnce([](const node::Request&) { return node::Reply(); });
    std::vector<std::shared_ptr<Answer>> answers;
    for (int i = 0; i < 500; ++i) {
        answers.push_back(Call(CreateKeyRequest()));
    }
    for (const auto& answer : answers) {
        EXPECT_THAT(Await(answer), IsOk());
    }
    EXPECT_THAT(Records(), SizeIs(1001));
}

TEST_F(AuditedEndpointTest, EndsWhenEverythingHasBeenHandedOn) {
    const auto answer = Call(CreateKeyRequest());
    endpoint_.reset();
    const auto call = behind_.Next(absl::ZeroDuration());
    ASSERT_NE(call, nullptr);
    call->done(node::Reply());
    EXPECT_THAT(Await(answer), IsOk());
}

}  // namespace
}  // namespace provhub::audit
