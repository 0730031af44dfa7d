// The sessions of this process with one token, and whose turn it is to use the token.
#ifndef PROVHUB_COMMON_HSM_SESSION_POOL_H_
#define PROVHUB_COMMON_HSM_SESSION_POOL_H_

#include <p11-kit/pkcs11.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/hsm/pkcs11_session.h"
#include "common/hsm/turnstile.h"

namespace provhub::hsm {

// Calls run side by side, each in a read-write session of its own; an owner runs alone. Thread-safe; no lock is held
// while PKCS #11 is called.
class SessionPool {
 public:
    // `name` is for messages.
    SessionPool(const CK_FUNCTION_LIST& functions, std::string name) : functions_(functions), name_(std::move(name)) {}

    // A call without a session: keeps owners away, as a Lease does.
    class Turn {
     public:
        // Waits while there is an owner.
        explicit Turn(SessionPool& pool) : turn_(pool.turnstile_) {}

     private:
        Turnstile::Together turn_;
    };

    // A session for one call.
    class Lease {
     public:
        Lease(Lease&& other) noexcept;
        Lease& operator=(Lease&&) = delete;
        ~Lease();

        Pkcs11Session session() const { return {pool_->functions_, pool_->name_, handle_}; }
        // The session is closed instead of being used again: it may be in the middle of something.
        void Discard() { discard_ = true; }

     private:
        friend class SessionPool;
        Lease(SessionPool* pool, CK_SESSION_HANDLE handle) : pool_(pool), handle_(handle) {}

        SessionPool* pool_;
        const CK_SESSION_HANDLE handle_;
        bool discard_ = false;
    };

    // Waits while there is an owner, and while every session that the token allows is in use. `login` is set to the
    // number of the login, unless nobody is logged in, which is FailedPrecondition.
    absl::StatusOr<Lease> Acquire(std::uint64_t& login);

    // The token for one caller alone.
    class Ownership {
     public:
        // Holds new calls back and waits for the running ones.
        explicit Ownership(SessionPool& pool) : pool_(pool), turn_(pool.turnstile_) {}

        bool open() const;
        // Changes with every Open: object handles are good for one login.
        std::uint64_t login() const;
        // From now on calls are let in; `sessions` are the first ones of the pool, further ones are opened at `slot`.
        void Open(CK_SLOT_ID slot, std::vector<CK_SESSION_HANDLE> sessions);
        // Logs out and ends every session of this process with the token.
        void Close();
        CK_SLOT_ID slot() const;

     private:
        SessionPool& pool_;
        Turnstile::Alone turn_;
    };

 private:
    static constexpr int kMaxSessions = 8;

    bool SessionToBeHad() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !idle_.empty() || sessions_ < limit_; }

    // An idle session, or a new one.
    absl::StatusOr<CK_SESSION_HANDLE> TakeSession(std::uint64_t& login);
    void Return(CK_SESSION_HANDLE session, bool discard);

    const CK_FUNCTION_LIST& functions_;
    const std::string name_;

    // Calls are inside together, an owner alone.
    Turnstile turnstile_;
    mutable absl::Mutex mutex_;
    bool open_ ABSL_GUARDED_BY(mutex_) = false;
    CK_SLOT_ID slot_ ABSL_GUARDED_BY(mutex_) = 0;
    std::uint64_t login_ ABSL_GUARDED_BY(mutex_) = 0;
    std::vector<CK_SESSION_HANDLE> idle_ ABSL_GUARDED_BY(mutex_);
    // Idle or in use.
    int sessions_ ABSL_GUARDED_BY(mutex_) = 0;
    int limit_ ABSL_GUARDED_BY(mutex_) = kMaxSessions;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_SESSION_POOL_H_
