// PendingCalls with a clock that stands still and a stream that the test plays.
#ifndef PROVHUB_TESTS_UNIT_MAINNODE_PENDING_CALLS_FIXTURE_H_
#define PROVHUB_TESTS_UNIT_MAINNODE_PENDING_CALLS_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "common/node/method_table.h"
#include "mainnode/hub/pending_calls.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/scripted_agent.h"

namespace provhub::hub {

// What became of a call.
struct Answer {
    int times = 0;
    node::Outcome outcome = absl::UnknownError("not answered");
};

inline node::Request CreateKey(const std::string& type, const std::string& subject = "s") {
    node::Request request;
    request.mutable_create_key_request()->set_node_id("n1");
    request.mutable_create_key_request()->set_type(type);
    request.mutable_create_key_request()->set_subject(subject);
    return request;
}

inline node::Request Finish() {
    node::Request request;
    request.mutable_finish_provisioning_request()->set_node_id("n1");
    return request;
}

inline node::Request GetCertTypes() {
    node::Request request;
    request.mutable_get_cert_types_request()->set_node_id("n1");
    return request;
}

inline node::Reply Csr(const node::Request& request, const std::string& csr) {
    node::Reply reply = test::SuccessReply(request);
    reply.mutable_create_key_response()->set_csr(csr);
    return reply;
}

class PendingCallsFixture : public testing::Test {
 protected:
    static constexpr absl::Duration kLimit = absl::Minutes(5);

    void SetUp() override { Make({}); }

    void Make(const PendingOptions& options) {
        calls_ = std::make_shared<PendingCalls>("n1", options, deadlines_, scheduler_, counters_,
                                                [this](const node::Method& method, std::uint64_t generation) {
                                                    successes_.emplace_back(method.name);
                                                    success_generations_.push_back(generation);
                                                });
    }

    // Opens a stream and gives it the right to write back.
    void Attach(std::uint64_t generation, Dialect dialect, Takeover takeover = Takeover::kFence) {
        ASSERT_TRUE(calls_->Attach(
            generation, dialect,
            {.wake = [this] { ++wakes_; }, .drained = [this, generation] { drained_.push_back(generation); }},
            takeover));
        generation_ = generation;
    }

    std::shared_ptr<Answer> Call(node::Request request, absl::Duration limit = kLimit, std::stop_token cancelled = {}) {
        auto answer = std::make_shared<Answer>();
        const node::Method& method = *node::FindByRequest(request.IAMIncomingMessage_case());
        calls_->Call(method, std::move(request),
                     {.operation_id = "op", .deadline = scheduler_.Now() + limit, .cancelled = std::move(cancelled)},
                     [answer](node::Outcome outcome) {
                         ++answer->times;
                         answer->outcome = std::move(outcome);
                     });
        return answer;
    }

    std::optional<node::Request> Write() {
        auto next = calls_->NextWrite(generation_);
        return next ? std::optional(next->message) : std::nullopt;
    }

    absl::Status Reply(const node::Reply& reply) { return calls_->OnReply(generation_, reply); }

    static absl::StatusCode Code(const std::shared_ptr<Answer>& answer) { return answer->outcome.status().code(); }
    static std::string Message(const std::shared_ptr<Answer>& answer) {
        return std::string(answer->outcome.status().message());
    }

    test::ManualScheduler scheduler_;
    const absl::Time start_ = scheduler_.Now();
    const std::shared_ptr<DeadlineQueue> deadlines_ =
        std::make_shared<DeadlineQueue>(scheduler_, [this] { return scheduler_.Now() - start_; });
    HubCounters counters_;
    std::vector<std::string> successes_;
    std::vector<std::uint64_t> success_generations_;
    std::shared_ptr<PendingCalls> calls_;
    std::uint64_t generation_ = 0;
    int wakes_ = 0;
    // The generations of the streams that were told so, in that order.
    std::vector<std::uint64_t> drained_;
};

}  // namespace provhub::hub

#endif  // PROVHUB_TESTS_UNIT_MAINNODE_PENDING_CALLS_FIXTURE_H_
