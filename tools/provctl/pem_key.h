// Private keys in PEM files.
#ifndef PROVHUB_TOOLS_PROVCTL_PEM_KEY_H_
#define PROVHUB_TOOLS_PROVCTL_PEM_KEY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/crypto/openssl.h"

namespace provhub::provctl {

// Unencrypted, mode 0600. Replaces what is there.
absl::Status WritePemKey(const std::string& path, EVP_PKEY* key);

// Errors: NotFound or PermissionDenied (the file), FailedPrecondition (what it holds, encrypted keys included).
absl::StatusOr<crypto::EvpPkeyPtr> ReadPemKey(const std::string& path);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_PEM_KEY_H_
