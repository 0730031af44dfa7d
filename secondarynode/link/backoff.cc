#include "secondarynode/link/backoff.h"

#include <algorithm>
#include <random>
#include <utility>

namespace provhub::link {

Backoff::Backoff(absl::Duration first, absl::Duration bound, std::function<double()> random)
    : first_(std::min(first, bound)), bound_(bound), random_(std::move(random)), ceiling_(first_) {}

absl::Duration Backoff::Next() {
    const absl::Duration delay = ceiling_ * (0.5 + 0.5 * random_());
    ceiling_ = std::min(ceiling_ * 2, bound_);
    return delay;
}

std::function<double()> SystemRandom() {
    return [engine = std::mt19937_64(std::random_device{}())]() mutable {
        return std::uniform_real_distribution<double>(0.0, 1.0)(engine);
    };
}

}  // namespace provhub::link
