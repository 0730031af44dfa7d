#include "common/node/operation_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace provhub::node {
namespace {

crypto::Secret TakePassword(Request& request) {
    switch (request.IAMIncomingMessage_case()) {
        case Request::kStartProvisioningRequest:
            return crypto::Secret::TakeFrom(*request.mutable_start_provisioning_request()->mutable_password());
        case Request::kFinishProvisioningRequest:
            return crypto::Secret::TakeFrom(*request.mutable_finish_provisioning_request()->mutable_password());
        case Request::kDeprovisionRequest:
            return crypto::Secret::TakeFrom(*request.mutable_deprovision_request()->mutable_password());
        case Request::kCreateKeyRequest:
            return crypto::Secret::TakeFrom(*request.mutable_create_key_request()->mutable_password());
        default:
            return {};
    }
}

}  // namespace

OperationCall::OperationCall(const Method& method, Request request, CallContext context, Done done)
    : method_(method),
      request_(std::move(request)),
      password_(TakePassword(request_)),
      context_(std::move(context)),
      done_(std::move(done)) {}

void OperationCall::Watch(const std::shared_ptr<OperationCall>& call, runtime::Scheduler& scheduler) {
    const std::weak_ptr<OperationCall> weak = call;
    auto timer = scheduler.After(std::max(call->deadline() - scheduler.Now(), absl::ZeroDuration()), [weak] {
        if (const auto expired = weak.lock()) {
            const absl::string_view name = expired->method_.name;
            expired->GiveUp(absl::DeadlineExceededError(absl::StrCat(name, ": the time is up, and it was not begun")),
                            absl::DeadlineExceededError(
                                absl::StrCat(name, ": the time is up; it goes on, its outcome is unknown")));
        }
    });
    {
        absl::MutexLock lock(&call->mutex_);
        call->timer_ = std::move(timer);
    }
    // The thread that cancels may hold locks of its own: `done` runs elsewhere.
    call->on_cancelled_.emplace(call->context_.cancelled, [weak, &scheduler] {
        scheduler.Post([weak] {
            if (const auto cancelled = weak.lock()) {
                cancelled->GiveUp(absl::CancelledError("the caller has gone, nothing was begun"), absl::OkStatus());
            }
        });
    });
}

bool OperationCall::Begin() {
    absl::MutexLock lock(&mutex_);
    if (done_ == nullptr || context_.cancelled.stop_requested()) {
        return false;
    }
    begun_ = true;
    return true;
}

void OperationCall::Answer(Outcome outcome) {
    Done done;
    std::unique_ptr<runtime::Timer> timer;
    {
        absl::MutexLock lock(&mutex_);
        done = std::exchange(done_, nullptr);
        timer = std::move(timer_);
    }
    if (done) {
        done(std::move(outcome));
    }
}

void OperationCall::GiveUp(const absl::Status& unbegun, const absl::Status& begun) {
    Done done;
    std::unique_ptr<runtime::Timer> timer;
    bool has_begun = false;
    {
        absl::MutexLock lock(&mutex_);
        has_begun = begun_;
        if (has_begun && begun.ok()) {
            return;
        }
        done = std::exchange(done_, nullptr);
        timer = std::move(timer_);
    }
    if (done) {
        done(has_begun ? begun : unbegun);
    }
}

}  // namespace provhub::node
