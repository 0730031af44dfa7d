#include "tests/support/manual_scheduler.h"

#include <algorithm>

namespace provhub::test {

class ManualScheduler::Handle final : public runtime::Timer {
 public:
    Handle(std::weak_ptr<State> state, std::pair<absl::Duration, std::uint64_t> key)
        : state_(std::move(state)), key_(key) {}

    ~Handle() override {
        const auto state = state_.lock();
        if (state == nullptr) {
            return;
        }
        absl::AnyInvocable<void()> disarmed;
        absl::MutexLock lock(&state->mutex);
        if (const auto armed = state->timers.find(key_); armed != state->timers.end()) {
            disarmed = std::move(armed->second);
            state->timers.erase(armed);
        }
    }

 private:
    const std::weak_ptr<State> state_;
    const std::pair<absl::Duration, std::uint64_t> key_;
};

ManualScheduler::ManualScheduler(int posting_threads) {
    for (int i = 0; i < posting_threads; ++i) {
        threads_.emplace_back([this] { RunOnThread(); });
    }
}

ManualScheduler::~ManualScheduler() {
    {
        absl::MutexLock lock(&state_->mutex);
        state_->stopping = true;
    }
    for (auto& thread : threads_) {
        thread.join();
    }
    decltype(State::timers) timers;
    decltype(State::work) work;
    absl::MutexLock lock(&state_->mutex);
    timers.swap(state_->timers);
    work.swap(state_->work);
}

absl::Time ManualScheduler::Now() const {
    absl::MutexLock lock(&state_->mutex);
    return state_->now;
}

void ManualScheduler::Post(absl::AnyInvocable<void()> work) {
    absl::MutexLock lock(&state_->mutex);
    state_->work.push_back(std::move(work));
}

std::unique_ptr<runtime::Timer> ManualScheduler::After(absl::Duration delay, absl::AnyInvocable<void()> callback) {
    absl::MutexLock lock(&state_->mutex);
    const auto due = state_->elapsed + std::max(delay, absl::ZeroDuration());
    const std::pair key(due, state_->next_number++);
    state_->timers.emplace(key, std::move(callback));
    return std::make_unique<Handle>(state_, key);
}

void ManualScheduler::Advance(absl::Duration duration) {
    state_->mutex.Lock();
    const absl::Duration end = state_->elapsed + duration;
    while (!state_->timers.empty() && state_->timers.begin()->first.first <= end) {
        auto next = state_->timers.extract(state_->timers.begin());
        state_->now += next.key().first - state_->elapsed;
        state_->elapsed = next.key().first;
        state_->mutex.Unlock();
        next.mapped()();
        next.mapped() = nullptr;
        state_->mutex.Lock();
    }
    state_->now += end - state_->elapsed;
    state_->elapsed = end;
    state_->mutex.Unlock();
}

void ManualScheduler::SetNow(absl::Time now) {
    absl::MutexLock lock(&state_->mutex);
    state_->now = now;
}

bool ManualScheduler::RunOne() {
    absl::AnyInvocable<void()> work;
    {
        absl::MutexLock lock(&state_->mutex);
        if (state_->work.empty()) {
            return false;
        }
        work = std::move(state_->work.front());
        state_->work.pop_front();
        ++state_->running;
    }
    work();
    work = nullptr;
    absl::MutexLock lock(&state_->mutex);
    --state_->running;
    return true;
}

std::size_t ManualScheduler::RunPosted() {
    std::size_t count = 0;
    while (RunOne()) {
        ++count;
    }
    return count;
}

void ManualScheduler::RunOnThread() {
    const auto wanted = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return state_->stopping || !state_->work.empty(); };
    while (true) {
        {
            absl::MutexLock lock(&state_->mutex, absl::Condition(&wanted));
            if (state_->work.empty()) {
                return;
            }
        }
        RunOne();
    }
}

std::size_t ManualScheduler::posted() const {
    absl::MutexLock lock(&state_->mutex);
    return state_->work.size() + state_->running;
}

std::size_t ManualScheduler::armed() const {
    absl::MutexLock lock(&state_->mutex);
    return state_->timers.size();
}

std::optional<absl::Duration> ManualScheduler::NextDue() const {
    absl::MutexLock lock(&state_->mutex);
    if (state_->timers.empty()) {
        return std::nullopt;
    }
    return state_->timers.begin()->first.first - state_->elapsed;
}

bool ManualScheduler::WaitUntilIdle(absl::Duration limit) const {
    const auto idle = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return state_->work.empty() && state_->running == 0; };
    absl::MutexLock lock(&state_->mutex);
    return state_->mutex.AwaitWithTimeout(absl::Condition(&idle), limit);
}

bool ManualScheduler::WaitUntilArmed(std::size_t timers, absl::Duration limit) const {
    const auto armed = [this, timers]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return state_->timers.size() >= timers; };
    absl::MutexLock lock(&state_->mutex);
    return state_->mutex.AwaitWithTimeout(absl::Condition(&armed), limit);
}

}  // namespace provhub::test
