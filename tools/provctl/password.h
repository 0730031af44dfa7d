// Where the provisioning password comes from.
#ifndef PROVHUB_TOOLS_PROVCTL_PASSWORD_H_
#define PROVHUB_TOOLS_PROVCTL_PASSWORD_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/crypto/secret.h"

namespace provhub::provctl {

// The first line of `file`, where "-" is standard input; without a file the terminal is asked, without echo, and with
// `confirm` a second time. Until the process ends it leaves no core file.
//
// Errors: InvalidArgument (empty, over 255 bytes, the two differ), FailedPrecondition (standard input is no terminal),
// Cancelled (interrupted), or those of reading the file.
absl::StatusOr<crypto::Secret> ReadPassword(const std::string& file, bool confirm);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_PASSWORD_H_
