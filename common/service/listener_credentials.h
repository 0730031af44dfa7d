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

class NodeTls;

struct ListenerCredentials {
    std::shared_ptr<grpc::ServerCredentials> public_listener;
    std::shared_ptr<grpc::ServerCredentials> protected_listener;
    // crypto::Fingerprint of the certificate that both show in provisioning mode; otherwise empty.
    std::string fingerprint = {};
    bool plaintext = false;
};

// In provisioning mode makes a certificate, a new one for each call, or none; everybody may call everything there. In
// normal mode both listeners show the identity of `tls`, and callers of the protected one are authorised.
//
// FailedPrecondition says what to do where this node can't serve as it is.
absl::StatusOr<ListenerCredentials> ChooseListenerCredentials(const config::v1::Config& config, bool provisioning_mode,
                                                              NodeTls& tls);

// Tells people and tools what to pin: writes the fingerprint to the log and to the file server-fingerprint in the
// working directory; or removes the file where there is none to pin, with a warning about plaintext. The caller MUST
// own the working directory. Blocks on the disk.
absl::Status PublishFingerprint(const config::v1::Config& config, const ListenerCredentials& credentials);

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_LISTENER_CREDENTIALS_H_
