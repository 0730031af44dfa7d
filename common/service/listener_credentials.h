// What the listeners of this process speak: the one place where that is decided.
#ifndef PROVHUB_COMMON_SERVICE_LISTENER_CREDENTIALS_H_
#define PROVHUB_COMMON_SERVICE_LISTENER_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace provhub::config::v1 {
class Config;
}

namespace provhub::service {

struct ListenerCredentials {
    std::shared_ptr<grpc::ServerCredentials> public_listener;
    std::shared_ptr<grpc::ServerCredentials> protected_listener;
    // crypto::Fingerprint of the certificate that both show in provisioning mode; empty in plaintext.
    std::string fingerprint = {};
};

// Makes the certificate of provisioning mode, a new one for each call. FailedPrecondition says what to set where this
// process can't serve as it is configured.
absl::StatusOr<ListenerCredentials> ChooseListenerCredentials(const config::v1::Config& config, bool provisioning_mode);

// Tells people and tools what to pin: writes the fingerprint to the log and to the file server-fingerprint in the
// working directory; or warns that there is none, and removes the file. The caller MUST own the working directory.
// Blocks on the disk.
absl::Status PublishFingerprint(const config::v1::Config& config, const ListenerCredentials& credentials);

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_LISTENER_CREDENTIALS_H_
