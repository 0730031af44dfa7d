// Hsm over a PKCS #11 module.
#ifndef PROVHUB_COMMON_HSM_PKCS11_HSM_H_
#define PROVHUB_COMMON_HSM_PKCS11_HSM_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/hsm/hsm.h"

namespace provhub::hsm {

// Loads the module (once for each library in the process) and looks for the token. A token that a kill made unreadable
// (SoftHSM writes token.object in place) is restored from the copy that this process keeps under `state_dir`, which is
// made when missing.
//
// Errors: NotFound (no such library), FailedPrecondition (not a PKCS #11 module), as Hsm otherwise.
absl::StatusOr<std::unique_ptr<Hsm>> CreatePkcs11Hsm(const TokenSelector& selector, const std::string& state_dir);

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_PKCS11_HSM_H_
