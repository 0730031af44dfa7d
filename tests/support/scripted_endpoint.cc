#include "tests/support/scripted_endpoint.h"

namespace provhub::test {

void ScriptedEndpoint::AnswerAtOnce(std::function<node::Outcome(const node::Request&)> answer) {
    absl::MutexLock lock(&mutex_);
    answer_ = std::move(answer);
}

void ScriptedEndpoint::Call(node::Request request, node::CallContext context, node::Done done) {
    std::function<node::Outcome(const node::Request&)> answer;
    {
        absl::MutexLock lock(&mutex_);
        if (!answer_) {
            calls_.push_back(
                std::make_unique<ScriptedCall>(ScriptedCall{std::move(request), std::move(context), std::move(done)}));
            return;
        }
        answer = answer_;
    }
    done(answer(request));
}

std::unique_ptr<ScriptedCall> ScriptedEndpoint::Next(absl::Duration limit) {
    const auto waiting = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !calls_.empty(); };
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(&waiting), limit)) {
        return nullptr;
    }
    auto call = std::move(calls_.front());
    calls_.pop_front();
    return call;
}

std::size_t ScriptedEndpoint::waiting() const {
    absl::MutexLock lock(&mutex_);
    return calls_.size();
}

}  // namespace provhub::test
