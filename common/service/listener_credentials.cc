#include "common/service/listener_credentials.h"

#include "provhub/config/v1/config.pb.h"

namespace provhub::service {

absl::StatusOr<ListenerCredentials> ChooseListenerCredentials(const config::v1::Config& config,
                                                              bool provisioning_mode) {
    if (!provisioning_mode) {
        return absl::FailedPreconditionError(
            "this build serves in provisioning mode only: start it with --provisioning and set "
            "\"provisioningTransport\": \"plaintext\"");
    }
    if (config.provisioning_transport() != "plaintext") {
        return absl::FailedPreconditionError(
            "provisioningTransport: this build serves provisioning in plaintext only and does so when told: set "
            "\"provisioningTransport\": \"plaintext\"");
    }
    return ListenerCredentials{grpc::InsecureServerCredentials(), grpc::InsecureServerCredentials()};
}

}  // namespace provhub::service
