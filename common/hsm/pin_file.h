// The file that holds a token's user PIN (userPinPath).
#ifndef PROVHUB_COMMON_HSM_PIN_FILE_H_
#define PROVHUB_COMMON_HSM_PIN_FILE_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/crypto/secret.h"

namespace provhub::hsm {

// The first line without its end of line. NotFound: no file; FailedPrecondition: empty, longer than 255 bytes, not a
// regular file, or readable or writable by everybody.
absl::StatusOr<crypto::Secret> ReadPinFile(const std::string& path);

// Replaces the file atomically, mode 0600, durable when this returns OK. Missing parent directories are made, mode
// 0700.
absl::Status WritePinFile(const std::string& path, const crypto::Secret& pin, std::optional<uid_t> uid,
                          std::optional<gid_t> gid);

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_PIN_FILE_H_
