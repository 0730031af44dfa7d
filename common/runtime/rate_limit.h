// Keeps what strangers can set off from flooding a log.
#ifndef PROVHUB_COMMON_RUNTIME_RATE_LIMIT_H_
#define PROVHUB_COMMON_RUNTIME_RATE_LIMIT_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace provhub::runtime {

// `burst` events at once, then `per_second`. Thread-safe.
class RateLimit {
 public:
    RateLimit(double burst, double per_second) : burst_(burst), per_second_(per_second), left_(burst) {}

    // Where the event may pass at `now`: how many have not since the last one that did.
    std::optional<std::uint64_t> Admit(absl::Time now) {
        absl::MutexLock lock(&mutex_);
        if (now > last_) {
            left_ = std::min(burst_, left_ + absl::ToDoubleSeconds(now - last_) * per_second_);
        }
        last_ = now;
        if (left_ < 1) {
            ++held_back_;
            return std::nullopt;
        }
        left_ -= 1;
        return std::exchange(held_back_, 0);
    }

 private:
    const double burst_;
    const double per_second_;
    absl::Mutex mutex_;
    double left_ ABSL_GUARDED_BY(mutex_);
    absl::Time last_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
    std::uint64_t held_back_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_RATE_LIMIT_H_
