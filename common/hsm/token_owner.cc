#include "common/hsm/token_owner.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/crypto/openssl.h"
#include "common/hsm/pkcs11_error.h"
#include "common/hsm/token_objects.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

constexpr runtime::Log kLog("hsm");
constexpr std::size_t kMinPin = 4;
constexpr std::size_t kMaxPin = 255;
constexpr absl::Duration kLockLimit = absl::Seconds(10);
constexpr absl::Duration kLockInterval = absl::Milliseconds(2);

CK_UTF8CHAR* Bytes(absl::string_view text) {
    // PKCS #11 declares what it reads as not const.
    return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text.data()));
}

bool HasPinLength(const crypto::Secret& pin) {
    return pin.size() >= kMinPin && pin.size() <= kMaxPin;
}

}  // namespace

absl::StatusOr<runtime::LockFile> LockTokens(const std::string& path) {
    const absl::Time limit = absl::Now() + kLockLimit;
    while (true) {
        auto lock = runtime::LockFile::Acquire(path);
        if (lock.ok() || !absl::IsFailedPrecondition(lock.status())) {
            return lock;
        }
        if (absl::Now() > limit) {
            return absl::UnavailableError(absl::StrCat(
                "the tokens have been busy for ", absl::FormatDuration(kLockLimit), ": ", lock.status().message()));
        }
        absl::SleepFor(kLockInterval);
    }
}

TokenOwner::TokenOwner(TokenLocator locator, std::optional<SoftHsmGuard> guard, std::string lock_path)
    : locator_(std::move(locator)),
      functions_(locator_.module().functions()),
      title_(locator_.title()),
      guard_(std::move(guard)),
      lock_path_(std::move(lock_path)),
      pool_(functions_, title_) {}

TokenOwner::~TokenOwner() {
    Ownership(pool_).Close();
}

absl::Status TokenOwner::Error(absl::StatusCode code, absl::string_view what) const {
    return absl::Status(code, absl::StrCat(title_, ": ", what));
}

// What another process is just writing looks as if it weren't there: only under the lock it is certain.
absl::StatusOr<std::optional<TokenInSlot>> TokenOwner::FindSettled() const {
    auto found = locator_.Find();
    if (found.ok() && *found) {
        return found;
    }
    ASSIGN_OR_RETURN(const runtime::LockFile lock, LockTokens(lock_path_));
    return locator_.Find();
}

absl::StatusOr<TokenState> TokenOwner::State() {
    const crypto::OpenSslErrorsDropped dropped;
    const SessionPool::Turn turn(pool_);
    ASSIGN_OR_RETURN(const std::optional<TokenInSlot> token, FindSettled());
    if (!token) {
        RETURN_IF_ERROR(FindForInitialise().status());
        return TokenState{};
    }
    if (!token->initialised()) {
        return TokenState{};
    }
    return TokenState{true,
                      token->user_pin_set(),
                      token->label(),
                      token->serial(),
                      FieldText(token->info.manufacturerID),
                      FieldText(token->info.model)};
}

absl::StatusOr<TokenInSlot> TokenOwner::FindForInitialise() const {
    ASSIGN_OR_RETURN(const std::optional<TokenInSlot> token, locator_.Find());
    if (token) {
        return *token;
    }
    if (guard_) {
        ASSIGN_OR_RETURN(const std::vector<TokenInSlot> visible, locator_.module().Tokens());
        RETURN_IF_ERROR(guard_->CheckNotHidden(locator_.name(), visible));
    }
    return locator_.FindFree();
}

absl::StatusOr<TokenInSlot> TokenOwner::FindInitialised() const {
    ASSIGN_OR_RETURN(TokenInSlot token, FindForInitialise());
    if (!token.initialised()) {
        return Error(absl::StatusCode::kFailedPrecondition, "the token is not initialised");
    }
    return token;
}

absl::StatusOr<CK_SESSION_HANDLE> TokenOwner::OpenSession(CK_SLOT_ID slot) const {
    CK_SESSION_HANDLE session = 0;
    RETURN_IF_ERROR(
        Pkcs11Status(title_, "C_OpenSession",
                     functions_.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session)));
    return session;
}

absl::StatusOr<CK_SESSION_HANDLE> TokenOwner::LogIn(Ownership& ownership) {
    ASSIGN_OR_RETURN(const TokenInSlot token, FindInitialised());
    if (!token.user_pin_set()) {
        return Error(absl::StatusCode::kFailedPrecondition,
                     "the token has no user PIN: it has to be initialised again");
    }
    ASSIGN_OR_RETURN(const CK_SESSION_HANDLE session, OpenSession(token.slot));
    absl::Status status = Session(session).LogIn(CKU_USER, user_pin_.Reveal());
    if (!status.ok() && RvOf(status) != CKR_USER_ALREADY_LOGGED_IN) {
        functions_.C_CloseSession(session);
        return status;
    }
    ownership.Open(token.slot, {session});
    serial_ = token.serial();
    SaveCopy(token);
    return session;
}

void TokenOwner::SaveCopy(const TokenInSlot& token) const {
    if (!guard_) {
        return;
    }
    const absl::Status status = guard_->Save(token.serial(), token.label());
    if (!status.ok()) {
        kLog.Warning(absl::StrCat(
            title_, ": no copy of the token's file could be kept, a kill may cost its keys: ", status.message()));
    }
}

absl::Status TokenOwner::Sync() const {
    return guard_ ? guard_->store().Sync(serial_) : absl::OkStatus();
}

absl::Status TokenOwner::Open(const crypto::Secret& user_pin) {
    const crypto::OpenSslErrorsDropped dropped;
    Ownership ownership(pool_);
    if (ownership.open()) {
        return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const runtime::LockFile lock, LockTokens(lock_path_));
    user_pin_ = user_pin.Clone();
    const auto session = LogIn(ownership);
    if (!session.ok()) {
        user_pin_ = crypto::Secret();
        return session.status();
    }
    return Sync();
}

absl::Status TokenOwner::Close() {
    const crypto::OpenSslErrorsDropped dropped;
    Ownership ownership(pool_);
    ownership.Close();
    user_pin_ = crypto::Secret();
    return absl::OkStatus();
}

absl::Status TokenOwner::Recover(std::uint64_t login) {
    const crypto::OpenSslErrorsDropped dropped;
    Ownership ownership(pool_);
    if (!ownership.open() || ownership.login() != login) {
        return absl::OkStatus();
    }
    const CK_SLOT_ID slot = ownership.slot();
    ownership.Close();
    auto lock = LockTokens(lock_path_);
    absl::Status status = lock.ok() ? LogIn(ownership).status() : lock.status();
    if (status.ok()) {
        kLog.Notice(absl::StrCat(title_, ": logged in again after the token had ended the login"));
    } else if (absl::IsPermissionDenied(status)) {
        user_pin_ = crypto::Secret();
    } else {
        // The next call tries again.
        ownership.Open(slot, {});
    }
    return status;
}

absl::Status TokenOwner::AsSecurityOfficer(const crypto::Secret& so_pin, const Work& work) const {
    ASSIGN_OR_RETURN(const TokenInSlot token, FindInitialised());
    ASSIGN_OR_RETURN(const CK_SESSION_HANDLE handle, OpenSession(token.slot));
    const absl::Cleanup close = [this, handle] { functions_.C_CloseSession(handle); };
    const Pkcs11Session session = Session(handle);
    RETURN_IF_ERROR(session.LogIn(CKU_SO, so_pin.Reveal()));
    absl::Status status = work(session);
    absl::Status logged_out = session.LogOut();
    return status.ok() ? logged_out : status;
}

absl::Status TokenOwner::InterruptAsSecurityOfficer(const crypto::Secret& so_pin, const Work& work) {
    const crypto::OpenSslErrorsDropped dropped;
    Ownership ownership(pool_);
    ASSIGN_OR_RETURN(const runtime::LockFile lock, LockTokens(lock_path_));
    RETURN_IF_ERROR(FindInitialised().status());
    const bool was_open = ownership.open();
    ownership.Close();
    absl::Status status = AsSecurityOfficer(so_pin, work);
    if (was_open) {
        const auto session = LogIn(ownership);
        status.Update(session.status());
    }
    return status;
}

absl::Status TokenOwner::VerifySoPin(const crypto::Secret& so_pin) {
    return InterruptAsSecurityOfficer(so_pin, [](const Pkcs11Session&) { return absl::OkStatus(); });
}

absl::Status TokenOwner::ChangeSoPin(const crypto::Secret& from, const crypto::Secret& to) {
    if (!HasPinLength(to)) {
        return Error(absl::StatusCode::kInvalidArgument, "a PIN has 4 to 255 bytes");
    }
    return InterruptAsSecurityOfficer(from, [&](const Pkcs11Session& session) -> absl::Status {
        RETURN_IF_ERROR(session.SetPin(from.Reveal(), to.Reveal()));
        if (guard_) {
            ASSIGN_OR_RETURN(const TokenInSlot token, FindInitialised());
            SaveCopy(token);
            return guard_->store().Sync(token.serial());
        }
        return absl::OkStatus();
    });
}

absl::Status TokenOwner::Initialise(const crypto::Secret& so_pin, const crypto::Secret& user_pin) {
    const crypto::OpenSslErrorsDropped dropped;
    if (!HasPinLength(so_pin) || !HasPinLength(user_pin)) {
        return Error(absl::StatusCode::kInvalidArgument, "a PIN has 4 to 255 bytes");
    }
    Ownership ownership(pool_);
    ASSIGN_OR_RETURN(const runtime::LockFile lock, LockTokens(lock_path_));
    const bool was_open = ownership.open();
    ownership.Close();
    absl::Status status = InitialiseClosed(ownership, so_pin, user_pin);
    if (!status.ok() && was_open && !ownership.open()) {
        // Where nothing was changed, nothing is to be seen of the attempt.
        const auto session = LogIn(ownership);
        if (!session.ok()) {
            kLog.Warning(absl::StrCat("after a failed initialisation: ", session.status().message()));
        }
    }
    return status;
}

absl::Status TokenOwner::InitialiseClosed(Ownership& ownership, const crypto::Secret& so_pin,
                                          const crypto::Secret& user_pin) {
    ASSIGN_OR_RETURN(const TokenInSlot token, FindForInitialise());
    ASSIGN_OR_RETURN(const bool must_erase, InitToken(token, so_pin));
    RETURN_IF_ERROR(AsSecurityOfficer(
        so_pin, [&](const Pkcs11Session& session) { return session.InitUserPin(user_pin.Reveal()); }));
    user_pin_ = user_pin.Clone();
    ASSIGN_OR_RETURN(const CK_SESSION_HANDLE handle, LogIn(ownership));
    if (must_erase) {
        const Pkcs11Session session = Session(handle);
        RETURN_IF_ERROR(TokenObjects(session, title_).DestroyAll());
    }
    locator_.RemoveHalfMade();
    return Sync();
}

absl::StatusOr<bool> TokenOwner::InitToken(const TokenInSlot& token, const crypto::Secret& so_pin) const {
    std::array<CK_UTF8CHAR, sizeof(CK_TOKEN_INFO::label)> label{};
    label.fill(' ');
    const std::string text = locator_.label(token);
    std::copy(text.begin(), text.end(), label.begin());
    const CK_RV rv = functions_.C_InitToken(token.slot, Bytes(so_pin.Reveal()), so_pin.size(), label.data());
    if (token.initialised() && (rv == CKR_ARGUMENTS_BAD || rv == CKR_FUNCTION_NOT_SUPPORTED)) {
        return true;
    }
    RETURN_IF_ERROR(Pkcs11Status(title_, "C_InitToken", rv));
    return false;
}

}  // namespace provhub::hsm
