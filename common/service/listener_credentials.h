// What the listeners of this process speak: the one place where that is decided.
#ifndef PROVHUB_COMMON_SERVICE_LISTENER_CREDENTIALS_H_
#define PROVHUB_COMMON_SERVICE_LISTENER_CREDENTIALS_H_

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "absl/status/statusor.h"

namespace provhub::config::v1 {
class Config;
}

namespace provhub::service {

struct ListenerCredentials {
    std::shared_ptr<grpc::ServerCredentials> public_listener;
    std::shared_ptr<grpc::ServerCredentials> protected_listener;
};

// FailedPrecondition says what to set where this process can't serve as it is configured.
absl::StatusOr<ListenerCredentials> ChooseListenerCredentials(const config::v1::Config& config, bool provisioning_mode);

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_LISTENER_CREDENTIALS_H_
