// A list of callbacks that are told of a change.
#ifndef PROVHUB_COMMON_RUNTIME_LISTENERS_H_
#define PROVHUB_COMMON_RUNTIME_LISTENERS_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace provhub::runtime {

// Ends a subscription when destroyed: after that the listener does not run and is not running. MUST NOT be destroyed
// from inside the listener itself. Empty when default-constructed.
class Subscription {
 public:
    Subscription() = default;
    explicit Subscription(std::function<void()> end) : end_(std::move(end)) {}
    Subscription(Subscription&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
    Subscription& operator=(Subscription&& other) noexcept {
        if (this != &other) {
            End();
            end_ = std::exchange(other.end_, nullptr);
        }
        return *this;
    }
    ~Subscription() { End(); }

 private:
    void End() {
        if (end_) {
            std::exchange(end_, nullptr)();
        }
    }

    std::function<void()> end_;
};

// Thread-safe. The list's lock is not held while a listener runs; each listener runs one call at a time. A listener
// MUST NOT block.
template <typename... Args>
class Listeners {
 public:
    using Listener = std::function<void(const Args&...)>;

    // The subscription may outlive the list.
    [[nodiscard]] Subscription Add(Listener listener) {
        auto entry = std::make_shared<Entry>(std::move(listener));
        absl::MutexLock lock(&shared_->mutex);
        shared_->entries.push_back(entry);
        return Subscription([entry, weak = std::weak_ptr<Shared>(shared_)] {
            {
                absl::MutexLock entry_lock(&entry->mutex);
                entry->listener = nullptr;
            }
            if (const auto shared = weak.lock()) {
                absl::MutexLock shared_lock(&shared->mutex);
                std::erase(shared->entries, entry);
            }
        });
    }

    void Notify(const Args&... args) const {
        std::vector<std::shared_ptr<Entry>> entries;
        {
            absl::MutexLock lock(&shared_->mutex);
            entries = shared_->entries;
        }
        for (const auto& entry : entries) {
            absl::MutexLock lock(&entry->mutex);
            if (entry->listener) {
                entry->listener(args...);
            }
        }
    }

 private:
    struct Entry {
        explicit Entry(Listener l) : listener(std::move(l)) {}
        absl::Mutex mutex;
        Listener listener ABSL_GUARDED_BY(mutex);
    };
    struct Shared {
        absl::Mutex mutex;
        std::vector<std::shared_ptr<Entry>> entries ABSL_GUARDED_BY(mutex);
    };

    std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_LISTENERS_H_
