// What a simulation has seen.
#ifndef PROVHUB_TOOLS_NODESIM_STATISTICS_H_
#define PROVHUB_TOOLS_NODESIM_STATISTICS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace provhub::nodesim {

// Thread-safe.
class Statistics {
 public:
    explicit Statistics(int nodes) : nodes_(nodes) {}

    using Counter = std::atomic<std::uint64_t>;
    Counter attempts = 0;
    Counter requests = 0;
    Counter answers = 0;
    Counter cancellations = 0;
    // Requests that by intention got no orderly answer.
    Counter faults = 0;

    // `took`: from the beginning of the attempt.
    void Connected(absl::Duration took);
    // `status` is how the stream ended, `connected` whether it had been.
    void Ended(bool connected, const absl::Status& status);

    int connected() const { return static_cast<int>(connected_.load()); }
    bool all_were_connected() const;

    // One line, for people who watch.
    std::string Progress() const;
    // The summary: for people, and one JSON document.
    std::string Table() const;
    std::string Json() const;

 private:
    struct Ending {
        std::uint64_t count = 0;
        // The first one's.
        std::string message;
    };
    struct Times {
        double p50_ms = 0;
        double p99_ms = 0;
        double max_ms = 0;
    };
    Times ConnectTimes() const ABSL_LOCKS_EXCLUDED(mutex_);

    const int nodes_;
    const absl::Time begun_ = absl::Now();
    std::atomic<std::int64_t> connected_ = 0;
    mutable absl::Mutex mutex_;
    std::vector<float> connect_ms_ ABSL_GUARDED_BY(mutex_);
    // From the beginning; infinite: not yet.
    absl::Duration all_connected_after_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
    std::uint64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
    std::uint64_t refused_ ABSL_GUARDED_BY(mutex_) = 0;
    // By status code.
    std::map<std::string, Ending> endings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::nodesim

#endif  // PROVHUB_TOOLS_NODESIM_STATISTICS_H_
