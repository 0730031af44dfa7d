// Return values of PKCS #11 functions as absl::Status.
#ifndef PROVHUB_COMMON_HSM_PKCS11_ERROR_H_
#define PROVHUB_COMMON_HSM_PKCS11_ERROR_H_

#include <p11-kit/pkcs11.h>

#include <initializer_list>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace provhub::hsm {

// "CKR_DEVICE_MEMORY", or the number where it has no name.
std::string RvName(CK_RV rv);

// OK for CKR_OK; otherwise "TOKEN: FUNCTION: CKR_..." with the code that hsm.h promises.
absl::Status Pkcs11Status(absl::string_view token, absl::string_view function, CK_RV rv);

// The return value that `status` was made of.
std::optional<CK_RV> RvOf(const absl::Status& status);

bool IsOneOf(const absl::Status& status, std::initializer_list<CK_RV> values);

// Whether the call failed, without an effect, because its session or the login has gone.
bool IsLoginLost(const absl::Status& status);

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_PKCS11_ERROR_H_
