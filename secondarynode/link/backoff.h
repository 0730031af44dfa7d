// How long to wait between attempts to reach a peer.
#ifndef PROVHUB_SECONDARYNODE_LINK_BACKOFF_H_
#define PROVHUB_SECONDARYNODE_LINK_BACKOFF_H_

#include <functional>

#include "absl/time/time.h"

namespace provhub::link {

// Exponential back-off with jitter: the n-th delay lies between one half and the whole of min(first * 2^(n-1), bound),
// so that nodes which lost the same peer at once do not come back at once. Not thread-safe.
class Backoff {
 public:
    // `random` yields numbers in [0, 1). A `first` above `bound` counts as `bound`.
    Backoff(absl::Duration first, absl::Duration bound, std::function<double()> random);

    absl::Duration Next();

    // The next delay is a first one again.
    void Reset() { ceiling_ = first_; }

    // What the next delay can be at most.
    absl::Duration ceiling() const { return ceiling_; }

 private:
    const absl::Duration first_;
    const absl::Duration bound_;
    const std::function<double()> random_;
    absl::Duration ceiling_;
};

// Uniform, seeded from the system. Not thread-safe.
std::function<double()> SystemRandom();

}  // namespace provhub::link

#endif  // PROVHUB_SECONDARYNODE_LINK_BACKOFF_H_
