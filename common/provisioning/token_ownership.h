// Who owns the tokens of this node: nobody, or the holder of its provisioning password.
#ifndef PROVHUB_COMMON_PROVISIONING_TOKEN_OWNERSHIP_H_
#define PROVHUB_COMMON_PROVISIONING_TOKEN_OWNERSHIP_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/cert/cert_store.h"
#include "common/cert/token.h"
#include "common/crypto/secret.h"

namespace provhub::provisioning {

// A token is owned by whoever knows the PIN of its security officer, and that PIN outlives an initialisation: a new
// password can't take a token over from the old one. So a released token has a random PIN as its officer's, the release
// PIN, which is in the file "release.pin" of the working directory for the next owner to take.
//
// Every call may be repeated after it was cut off at any point. They block on the tokens and the disk; one at a time.
// Errors name the token; codes as in hsm::Hsm.
class TokenOwnership {
 public:
    // `tokens` and `store` MUST outlive this object.
    TokenOwnership(std::string working_dir, const std::vector<std::unique_ptr<cert::Token>>& tokens,
                   cert::CertStore& store);

    // OK when every initialised token can be taken with `password` or with the release PIN. Changes nothing.
    // PermissionDenied otherwise; FailedPrecondition when the configuration selects one token in two ways.
    absl::Status CheckTakeable(const crypto::Secret& password);

    // Makes every token empty, gives it a fresh user PIN, which is in its PIN file before, and `password` as the
    // officer's PIN, leaves it open, and records it in the manifest. After an error some tokens are taken and some not.
    absl::Status Take(const crypto::Secret& password);

    // Take is complete: the release PIN is of no more use.
    void ForgetReleasePin();

    // Replaces the officer's PIN of every initialised token, `password`, by the release PIN. Keys stay usable. A token
    // that refuses does not keep the others from being released.
    absl::Status Release(const crypto::Secret& password);

    // Takes Release back, also one that came half way.
    absl::Status TakeBack(const crypto::Secret& password);

    // After Release: makes every initialised token empty and closed, and removes the PIN files. A token that can't be
    // erased does not keep the others from being erased.
    absl::Status Erase();

 private:
    absl::Status TakeToken(cert::Token& token, const crypto::Secret& password, const crypto::Secret& user_pin);
    // FailedPrecondition when one token is selected in two ways.
    absl::Status CheckDistinct();
    absl::Status EraseToken(cert::Token& token, const crypto::Secret& release_pin);
    absl::Status RemovePinFiles();
    // The PIN of the file, or NotFound.
    absl::StatusOr<crypto::Secret> ReadReleasePin() const;
    // The same, made where it is not there.
    absl::StatusOr<crypto::Secret> ObtainReleasePin();

    const std::string release_path_;
    const std::vector<std::unique_ptr<cert::Token>>& tokens_;
    cert::CertStore& store_;
};

}  // namespace provhub::provisioning

#endif  // PROVHUB_COMMON_PROVISIONING_TOKEN_OWNERSHIP_H_
