// Conditions and ownership of one token.
#ifndef PROVHUB_COMMON_HSM_TOKEN_OWNER_H_
#define PROVHUB_COMMON_HSM_TOKEN_OWNER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/crypto/secret.h"
#include "common/hsm/hsm.h"
#include "common/hsm/session_pool.h"
#include "common/hsm/softhsm_guard.h"
#include "common/hsm/token_locator.h"
#include "common/runtime/lock_file.h"

namespace provhub::hsm {

// Waits until no process (this one included) that keeps to the same rule is in the middle of a change to the tokens.
// Unavailable after 10 seconds.
absl::StatusOr<runtime::LockFile> LockTokens(const std::string& path);

// The ownership calls of an Hsm, and its sessions. Thread-safe.
class TokenOwner {
 public:
    // `guard` where the module is SoftHSM. `lock_path` is for LockTokens: C_Login makes SoftHSM rewrite the token's
    // file, which a process that starts just then takes for no token.
    TokenOwner(TokenLocator locator, std::optional<SoftHsmGuard> guard, std::string lock_path);
    // Ends the sessions.
    ~TokenOwner();
    TokenOwner(const TokenOwner&) = delete;
    TokenOwner& operator=(const TokenOwner&) = delete;

    SessionPool& pool() { return pool_; }
    const TokenLocator& locator() const { return locator_; }

    absl::StatusOr<TokenState> State();
    absl::Status VerifySoPin(const crypto::Secret& so_pin);
    absl::Status Initialise(const crypto::Secret& so_pin, const crypto::Secret& user_pin);
    absl::Status ChangeSoPin(const crypto::Secret& from, const crypto::Secret& to);
    absl::Status Open(const crypto::Secret& user_pin);
    absl::Status Close();

    // Logs in again, unless somebody has done so since the login numbered `login`. A PIN that is refused is not tried
    // again: then the token is closed.
    absl::Status Recover(std::uint64_t login);

    // What was written to the token is on the disk when this returns OK. MUST be called by a holder of a Lease.
    absl::Status Sync() const;

 private:
    using Ownership = SessionPool::Ownership;
    using Work = std::function<absl::Status(const Pkcs11Session&)>;

    absl::StatusOr<std::optional<TokenInSlot>> FindSettled() const;
    absl::StatusOr<TokenInSlot> FindInitialised() const;
    // The token to initialise.
    absl::StatusOr<TokenInSlot> FindForInitialise() const;
    // Runs `work` in a session in which the security officer is logged in.
    absl::Status AsSecurityOfficer(const crypto::Secret& so_pin, const Work& work) const;
    // The same for a token that may be open, which it is again afterwards.
    absl::Status InterruptAsSecurityOfficer(const crypto::Secret& so_pin, const Work& work);
    // True: the module can't make this token empty, its objects have to be destroyed.
    absl::StatusOr<bool> InitToken(const TokenInSlot& token, const crypto::Secret& so_pin) const;
    absl::Status InitialiseClosed(Ownership& ownership, const crypto::Secret& so_pin, const crypto::Secret& user_pin);
    absl::StatusOr<CK_SESSION_HANDLE> OpenSession(CK_SLOT_ID slot) const;
    // Logs the user in with `user_pin_` and lets calls in. The session is the pool's.
    absl::StatusOr<CK_SESSION_HANDLE> LogIn(Ownership& ownership);
    void SaveCopy(const TokenInSlot& token) const;
    Pkcs11Session Session(CK_SESSION_HANDLE handle) const { return {functions_, title_, handle}; }
    absl::Status Error(absl::StatusCode code, absl::string_view what) const;

    const TokenLocator locator_;
    const CK_FUNCTION_LIST& functions_;
    const std::string title_;
    const std::optional<SoftHsmGuard> guard_;
    const std::string lock_path_;
    SessionPool pool_;
    // Written by an owner of pool_, read by an owner or a holder of a Lease.
    crypto::Secret user_pin_;
    std::string serial_;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_TOKEN_OWNER_H_
