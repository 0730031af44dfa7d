#include "common/hsm/session_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/hsm/pkcs11_error.h"

namespace provhub::hsm {
namespace {

constexpr CK_FLAGS kReadWrite = CKF_SERIAL_SESSION | CKF_RW_SESSION;

}  // namespace

SessionPool::Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), handle_(other.handle_), discard_(other.discard_) {}

SessionPool::Lease::~Lease() {
    if (pool_ != nullptr) {
        pool_->Return(handle_, discard_);
    }
}

absl::StatusOr<SessionPool::Lease> SessionPool::Acquire(std::uint64_t& login) {
    turnstile_.EnterTogether();
    auto session = TakeSession(login);
    if (!session.ok()) {
        turnstile_.LeaveTogether();
        return session.status();
    }
    return Lease(this, *session);
}

absl::StatusOr<CK_SESSION_HANDLE> SessionPool::TakeSession(std::uint64_t& login) {
    while (true) {
        CK_SLOT_ID slot = 0;
        {
            absl::MutexLock lock(&mutex_);
            if (!open_) {
                return absl::FailedPreconditionError(absl::StrCat(name_, ": the token is not open: log in first"));
            }
            login = login_;
            mutex_.Await(absl::Condition(this, &SessionPool::SessionToBeHad));
            if (!idle_.empty()) {
                const CK_SESSION_HANDLE session = idle_.back();
                idle_.pop_back();
                return session;
            }
            ++sessions_;
            slot = slot_;
        }
        CK_SESSION_HANDLE session = 0;
        const CK_RV rv = functions_.C_OpenSession(slot, kReadWrite, nullptr, nullptr, &session);
        if (rv == CKR_OK) {
            return session;
        }
        absl::MutexLock lock(&mutex_);
        --sessions_;
        if (rv != CKR_SESSION_COUNT || sessions_ == 0) {
            return Pkcs11Status(name_, "C_OpenSession", rv);
        }
        limit_ = sessions_;
    }
}

void SessionPool::Return(CK_SESSION_HANDLE session, bool discard) {
    bool replaced = true;
    if (discard) {
        CK_SLOT_ID slot = 0;
        {
            absl::MutexLock lock(&mutex_);
            slot = slot_;
        }
        // Before the old one is closed: with the last session the login would end.
        const CK_SESSION_HANDLE old = std::exchange(session, 0);
        replaced = functions_.C_OpenSession(slot, kReadWrite, nullptr, nullptr, &session) == CKR_OK;
        functions_.C_CloseSession(old);
    }
    {
        absl::MutexLock lock(&mutex_);
        if (replaced) {
            idle_.push_back(session);
        } else {
            --sessions_;
        }
    }
    turnstile_.LeaveTogether();
}

bool SessionPool::Ownership::open() const {
    absl::MutexLock lock(&pool_.mutex_);
    return pool_.open_;
}

std::uint64_t SessionPool::Ownership::login() const {
    absl::MutexLock lock(&pool_.mutex_);
    return pool_.login_;
}

void SessionPool::Ownership::Open(CK_SLOT_ID slot, std::vector<CK_SESSION_HANDLE> sessions) {
    absl::MutexLock lock(&pool_.mutex_);
    pool_.open_ = true;
    pool_.slot_ = slot;
    ++pool_.login_;
    pool_.sessions_ = static_cast<int>(sessions.size());
    pool_.idle_ = std::move(sessions);
    pool_.limit_ = kMaxSessions;
}

void SessionPool::Ownership::Close() {
    CK_SLOT_ID slot = 0;
    std::vector<CK_SESSION_HANDLE> idle;
    {
        absl::MutexLock lock(&pool_.mutex_);
        if (!std::exchange(pool_.open_, false)) {
            return;
        }
        slot = pool_.slot_;
        idle = std::exchange(pool_.idle_, {});
        pool_.sessions_ = 0;
    }
    if (!idle.empty()) {
        pool_.functions_.C_Logout(idle.front());
    }
    pool_.functions_.C_CloseAllSessions(slot);
}

CK_SLOT_ID SessionPool::Ownership::slot() const {
    absl::MutexLock lock(&pool_.mutex_);
    return pool_.slot_;
}

}  // namespace provhub::hsm
