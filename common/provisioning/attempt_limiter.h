// Slows down guessing.
#ifndef PROVHUB_COMMON_PROVISIONING_ATTEMPT_LIMITER_H_
#define PROVHUB_COMMON_PROVISIONING_ATTEMPT_LIMITER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace provhub::provisioning {

// After five wrong passwords within a minute the next attempt has to wait for a second, and after each further wrong
// one twice as long, up to 15 minutes. A right one ends that. Kept in a file, so that a restart doesn't help.
// Thread-safe. Blocks on the disk.
class AttemptLimiter {
 public:
    // A file that is missing or can't be understood counts as no wrong attempts.
    explicit AttemptLimiter(std::string path);

    // PermissionDenied, saying when to try again, while attempts have to wait.
    absl::Status Check(absl::Time now);

    void RecordWrong(absl::Time now);
    void RecordRight();

 private:
    static constexpr std::size_t kFreeAttempts = 5;
    static constexpr absl::Duration kWindow = absl::Minutes(1);
    static constexpr absl::Duration kLongestDelay = absl::Minutes(15);

    absl::Duration Delay() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void Read();
    void Write() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    const std::string path_;
    // Held while the file is written, so that file and memory change in the same order.
    absl::Mutex mutex_;
    // Wrong ones of the last minute, oldest first.
    std::vector<absl::Time> recent_ ABSL_GUARDED_BY(mutex_);
    // How often the delay was imposed; 0: not at all.
    int level_ ABSL_GUARDED_BY(mutex_) = 0;
    absl::Time last_wrong_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace provhub::provisioning

#endif  // PROVHUB_COMMON_PROVISIONING_ATTEMPT_LIMITER_H_
