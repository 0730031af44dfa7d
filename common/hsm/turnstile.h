// Who may use a thing: many together, or one alone.
#ifndef PROVHUB_COMMON_HSM_TURNSTILE_H_
#define PROVHUB_COMMON_HSM_TURNSTILE_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace provhub::hsm {

// Whoever wants to be alone holds newcomers back and waits for those inside. Unlike a mutex it may be kept for as long
// as a device takes. Thread-safe.
class Turnstile {
 public:
    // Waits for its turn and has it as long as it lives.
    class Together {
     public:
        explicit Together(Turnstile& turnstile) : turnstile_(turnstile) { turnstile_.EnterTogether(); }
        Together(const Together&) = delete;
        Together& operator=(const Together&) = delete;
        ~Together() { turnstile_.LeaveTogether(); }

     private:
        Turnstile& turnstile_;
    };

    class Alone {
     public:
        explicit Alone(Turnstile& turnstile) : turnstile_(turnstile) { turnstile_.EnterAlone(); }
        Alone(const Alone&) = delete;
        Alone& operator=(const Alone&) = delete;
        ~Alone() { turnstile_.LeaveAlone(); }

     private:
        Turnstile& turnstile_;
    };

    void EnterTogether() {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Turnstile::IsFree));
        ++inside_;
    }
    void LeaveTogether() {
        absl::MutexLock lock(&mutex_);
        --inside_;
    }
    void EnterAlone() {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Turnstile::IsFree));
        taken_ = true;
        mutex_.Await(absl::Condition(this, &Turnstile::IsEmpty));
    }
    void LeaveAlone() {
        absl::MutexLock lock(&mutex_);
        taken_ = false;
    }

 private:
    bool IsFree() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !taken_; }
    bool IsEmpty() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return inside_ == 0; }

    mutable absl::Mutex mutex_;
    // By one who is alone or waits to be.
    bool taken_ ABSL_GUARDED_BY(mutex_) = false;
    int inside_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_TURNSTILE_H_
