// Tells the thread sanitizer what Abseil's locks order. Debian's libraries are built without it, so that it sees none
// of what happens in them; the linker leads our calls of their locks through here (--wrap).
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

using absl::BlockingCounter;
using absl::Condition;
using absl::Duration;
using absl::Mutex;
using absl::Notification;
using absl::Time;

// Conditions of waiting threads are looked at by whoever unlocks, when the sanitizer has been told of the unlocking
// already.
class IgnoreReads {
 public:
    IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
    ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

void Acquired(const void* object) {
    __tsan_acquire(const_cast<void*>(object));
}

void Releasing(const void* object) {
    __tsan_release(const_cast<void*>(object));
}

}  // namespace

#define PROVHUB_REAL(result, name, ...) result Real_##name(__VA_ARGS__) asm("__real_" #name)
#define PROVHUB_WRAP(result, name, ...) result Wrap_##name(__VA_ARGS__) asm("__wrap_" #name)

#define PROVHUB_WRAP_LOCK(name)       \
    PROVHUB_REAL(void, name, Mutex*); \
    PROVHUB_WRAP(void, name, Mutex*); \
    void Wrap_##name(Mutex* mutex) {  \
        Real_##name(mutex);           \
        Acquired(mutex);              \
    }

#define PROVHUB_WRAP_UNLOCK(name)     \
    PROVHUB_REAL(void, name, Mutex*); \
    PROVHUB_WRAP(void, name, Mutex*); \
    void Wrap_##name(Mutex* mutex) {  \
        Releasing(mutex);             \
        const IgnoreReads ignore;     \
        Real_##name(mutex);           \
    }

#define PROVHUB_WRAP_LOCK_WHEN(name)                             \
    PROVHUB_REAL(void, name, Mutex*, const Condition&);          \
    PROVHUB_WRAP(void, name, Mutex*, const Condition&);          \
    void Wrap_##name(Mutex* mutex, const Condition& condition) { \
        {                                                        \
            const IgnoreReads ignore;                            \
            Real_##name(mutex, condition);                       \
        }                                                        \
        Acquired(mutex);                                         \
    }

#define PROVHUB_WRAP_AWAIT_UNTIL(name, Limit)                                 \
    PROVHUB_REAL(bool, name, Mutex*, const Condition&, Limit);                \
    PROVHUB_WRAP(bool, name, Mutex*, const Condition&, Limit);                \
    bool Wrap_##name(Mutex* mutex, const Condition& condition, Limit limit) { \
        Releasing(mutex);                                                     \
        bool result = false;                                                  \
        {                                                                     \
            const IgnoreReads ignore;                                         \
            result = Real_##name(mutex, condition, limit);                    \
        }                                                                     \
        Acquired(mutex);                                                      \
        return result;                                                        \
    }

#define PROVHUB_WRAP_WAIT_UNTIL(name, Limit)                          \
    PROVHUB_REAL(bool, name, const Notification*, Limit);             \
    PROVHUB_WRAP(bool, name, const Notification*, Limit);             \
    bool Wrap_##name(const Notification* notification, Limit limit) { \
        const bool result = Real_##name(notification, limit);         \
        if (result) {                                                 \
            Acquired(notification);                                   \
        }                                                             \
        return result;                                                \
    }

PROVHUB_WRAP_LOCK(_ZN4absl7debian35Mutex4LockEv)
PROVHUB_WRAP_LOCK(_ZN4absl7debian35Mutex10ReaderLockEv)
PROVHUB_WRAP_UNLOCK(_ZN4absl7debian35Mutex6UnlockEv)
PROVHUB_WRAP_UNLOCK(_ZN4absl7debian35Mutex12ReaderUnlockEv)
PROVHUB_WRAP_LOCK_WHEN(_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE)
PROVHUB_WRAP_LOCK_WHEN(_ZN4absl7debian35Mutex14ReaderLockWhenERKNS0_9ConditionE)
PROVHUB_WRAP_AWAIT_UNTIL(_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE, Duration)
PROVHUB_WRAP_AWAIT_UNTIL(_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE, Time)
PROVHUB_WRAP_WAIT_UNTIL(_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE, Duration)
PROVHUB_WRAP_WAIT_UNTIL(_ZNK4absl7debian312Notification31WaitForNotificationWithDeadlineENS0_4TimeE, Time)

PROVHUB_REAL(void, _ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE, Mutex*, const Condition&);
PROVHUB_WRAP(void, _ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE, Mutex*, const Condition&);
void Wrap__ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE(Mutex* mutex, const Condition& condition) {
    Releasing(mutex);
    {
        const IgnoreReads ignore;
        Real__ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE(mutex, condition);
    }
    Acquired(mutex);
}

PROVHUB_REAL(void, _ZN4absl7debian312Notification6NotifyEv, Notification*);
PROVHUB_WRAP(void, _ZN4absl7debian312Notification6NotifyEv, Notification*);
void Wrap__ZN4absl7debian312Notification6NotifyEv(Notification* notification) {
    Releasing(notification);
    Real__ZN4absl7debian312Notification6NotifyEv(notification);
}

PROVHUB_REAL(void, _ZNK4absl7debian312Notification19WaitForNotificationEv, const Notification*);
PROVHUB_WRAP(void, _ZNK4absl7debian312Notification19WaitForNotificationEv, const Notification*);
void Wrap__ZNK4absl7debian312Notification19WaitForNotificationEv(const Notification* notification) {
    Real__ZNK4absl7debian312Notification19WaitForNotificationEv(notification);
    Acquired(notification);
}

PROVHUB_REAL(bool, _ZN4absl7debian315BlockingCounter14DecrementCountEv, BlockingCounter*);
PROVHUB_WRAP(bool, _ZN4absl7debian315BlockingCounter14DecrementCountEv, BlockingCounter*);
bool Wrap__ZN4absl7debian315BlockingCounter14DecrementCountEv(BlockingCounter* counter) {
    Releasing(counter);
    return Real__ZN4absl7debian315BlockingCounter14DecrementCountEv(counter);
}

PROVHUB_REAL(void, _ZN4absl7debian315BlockingCounter4WaitEv, BlockingCounter*);
PROVHUB_WRAP(void, _ZN4absl7debian315BlockingCounter4WaitEv, BlockingCounter*);
void Wrap__ZN4absl7debian315BlockingCounter4WaitEv(BlockingCounter* counter) {
    Real__ZN4absl7debian315BlockingCounter4WaitEv(counter);
    Acquired(counter);
}

// What gRPC hands from thread to thread by itself can't be seen: reports from inside its callbacks say nothing. What is
// left is our own code on its own threads.
extern "C" const char* __tsan_default_options() {
    return "ignore_noninstrumented_modules=1";
}

extern "C" const char* __tsan_default_suppressions() {
    return "race:grpc::\n";
}
