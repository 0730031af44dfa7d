#include "common/node/operation_gate.h"

#include <algorithm>

namespace provhub::node {
namespace {

bool Conflict(const Claim& a, const Claim& b) {
    if (a.concurrency == Concurrency::kAny || b.concurrency == Concurrency::kAny) {
        return false;
    }
    if (a.concurrency == Concurrency::kExclusive || b.concurrency == Concurrency::kExclusive) {
        return true;
    }
    return std::ranges::find_first_of(a.keys, b.keys) != a.keys.end();
}

}  // namespace

OperationGate::OperationGate() : state_(std::make_shared<State>()) {}

void OperationGate::Enter(Claim claim, Start start) {
    {
        absl::MutexLock lock(&state_->mutex);
        state_->waiting.push_back({state_->next_number++, std::move(claim), std::move(start)});
    }
    StartAdmitted(state_);
}

void OperationGate::Turn::End() {
    const std::shared_ptr<State> state = std::move(state_);
    if (state == nullptr) {
        return;
    }
    {
        absl::MutexLock lock(&state->mutex);
        state->running.erase(number_);
    }
    StartAdmitted(state);
}

std::vector<OperationGate::Waiting> OperationGate::Admit(State& state) {
    std::vector<Waiting> admitted;
    std::deque<Waiting> waiting;
    for (Waiting& candidate : state.waiting) {
        const bool blocked =
            std::ranges::any_of(state.running,
                                [&](const auto& entry) { return Conflict(entry.second, candidate.claim); }) ||
            std::ranges::any_of(waiting,
                                [&](const Waiting& earlier) { return Conflict(earlier.claim, candidate.claim); });
        if (blocked) {
            waiting.push_back(std::move(candidate));
        } else {
            state.running.emplace(candidate.number, candidate.claim);
            admitted.push_back(std::move(candidate));
        }
    }
    state.waiting = std::move(waiting);
    return admitted;
}

void OperationGate::StartAdmitted(const std::shared_ptr<State>& state) {
    std::vector<Waiting> admitted;
    {
        absl::MutexLock lock(&state->mutex);
        admitted = Admit(*state);
    }
    for (Waiting& operation : admitted) {
        operation.start(Turn(state, operation.number));
    }
}

}  // namespace provhub::node
