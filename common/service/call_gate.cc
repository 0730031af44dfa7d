#include "common/service/call_gate.h"

#include <vector>

#include "absl/strings/str_cat.h"

namespace provhub::service {

absl::Status CallGate::Enter(const std::shared_ptr<OpenCall>& call) {
    absl::MutexLock lock(&mutex_);
    if (closed_) {
        return absl::UnavailableError("the server is shutting down; the call was not begun");
    }
    if (calls_.size() >= limit_) {
        return absl::ResourceExhaustedError(
            absl::StrCat("the server has ", calls_.size(), " calls of this kind open, as many as it takes"));
    }
    calls_.emplace(call.get(), call);
    return absl::OkStatus();
}

void CallGate::Leave(const OpenCall* call) {
    absl::MutexLock lock(&mutex_);
    calls_.erase(call);
}

void CallGate::Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
}

void CallGate::StopAll(const absl::Status& reason) {
    std::vector<std::shared_ptr<OpenCall>> open;
    {
        absl::MutexLock lock(&mutex_);
        open.reserve(calls_.size());
        for (const auto& [unused, call] : calls_) {
            if (auto alive = call.lock()) {
                open.push_back(std::move(alive));
            }
        }
    }
    for (const auto& call : open) {
        call->Stop(reason);
    }
}

bool CallGate::AwaitEmpty(absl::Time deadline) const {
    absl::MutexLock lock(&mutex_);
    const auto empty = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return calls_.empty(); };
    return mutex_.AwaitWithDeadline(absl::Condition(&empty), deadline);
}

}  // namespace provhub::service
