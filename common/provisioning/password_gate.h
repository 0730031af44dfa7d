// Checks the provisioning password.
#ifndef PROVHUB_COMMON_PROVISIONING_PASSWORD_GATE_H_
#define PROVHUB_COMMON_PROVISIONING_PASSWORD_GATE_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/crypto/secret.h"
#include "common/provisioning/attempt_limiter.h"
#include "common/runtime/scheduler.h"

namespace provhub::provisioning {

// What a check costs (RFC 7914): 128 * n * r bytes of memory, and time in proportion to n * r * p.
struct ScryptCost {
    std::uint64_t n = std::uint64_t{1} << 15;
    std::uint64_t r = 8;
    std::uint64_t p = 1;
};

// The password of the node is the security officer's PIN of its tokens. Logging in as that officer would interrupt
// everything else that uses the token, so the node keeps a salted scrypt hash (RFC 7914) of the password in a file, and
// compares with that. Thread-safe. Blocks on the disk and, for a check, on the processor: about 150 ms at the cost that
// is the default.
class PasswordGate {
 public:
    // 4 to 255 bytes, the limits of a PKCS #11 PIN. InvalidArgument otherwise; no attempt is counted.
    static absl::Status CheckLength(const crypto::Secret& password);

    // The files "verifier" and "attempts" in `working_dir`. `clock` MUST outlive this object. `cost` is for passwords
    // that are set from now on; a verifier says what its own was.
    PasswordGate(const std::string& working_dir, const runtime::Scheduler& clock, const ScryptCost& cost = {});

    // Whether there is something to verify against.
    bool HasVerifier() const;

    // Durable when this returns OK, and until then the old password is in force.
    absl::Status Set(const crypto::Secret& password);

    // OK, too, when there is none.
    absl::Status Remove();

    // Errors: InvalidArgument (length), PermissionDenied (wrong, or too many wrong ones: then it isn't even looked at),
    // FailedPrecondition (there is no password yet, or its file is damaged).
    absl::Status Verify(const crypto::Secret& password);

    // Verify with another verifier, whose PermissionDenied counts as a wrong password.
    absl::Status VerifyWith(const crypto::Secret& password, absl::FunctionRef<absl::Status()> verifier);

 private:
    absl::Status Compare(const crypto::Secret& password) const;

    const std::string path_;
    const runtime::Scheduler& clock_;
    const ScryptCost cost_;
    AttemptLimiter limiter_;
};

}  // namespace provhub::provisioning

#endif  // PROVHUB_COMMON_PROVISIONING_PASSWORD_GATE_H_
