#include "mainnode/hub/deadline_queue.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace provhub::hub {

absl::Duration DeadlineQueue::SteadyClock() {
    return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

DeadlineQueue::Key DeadlineQueue::Add(absl::Duration delay, std::weak_ptr<DeadlineTarget> target, std::uint64_t id) {
    const absl::Duration due = clock_() + std::max(delay, absl::ZeroDuration());
    absl::MutexLock lock(&mutex_);
    const Key key{due, next_number_++};
    entries_.emplace(key, Entry{std::move(target), id});
    if (due < armed_for_) {
        Arm(due);
    }
    return key;
}

void DeadlineQueue::Remove(const Key& key) {
    absl::MutexLock lock(&mutex_);
    entries_.erase(key);
}

void DeadlineQueue::Arm(absl::Duration due) {
    if (due == absl::InfiniteDuration()) {
        return;
    }
    armed_for_ = due;
    timer_ = scheduler_.After(std::max(due - clock_(), absl::ZeroDuration()), [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->RunDue();
        }
    });
}

void DeadlineQueue::RunDue() {
    std::vector<Entry> due;
    {
        absl::MutexLock lock(&mutex_);
        const absl::Duration now = clock_();
        while (!entries_.empty() && entries_.begin()->first.first <= now) {
            due.push_back(std::move(entries_.begin()->second));
            entries_.erase(entries_.begin());
        }
        armed_for_ = absl::InfiniteDuration();
        if (!entries_.empty()) {
            Arm(entries_.begin()->first.first);
        }
    }
    for (const Entry& entry : due) {
        if (const auto target = entry.target.lock()) {
            target->OnDeadline(entry.id);
        }
    }
}

}  // namespace provhub::hub
