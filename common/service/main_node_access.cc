#include "common/service/main_node_access.h"

#include "provhub/config/v1/config.pb.h"

namespace provhub::service {

absl::StatusOr<MainNodeAccess> ChooseMainNodeAccess(const config::v1::Config& config, bool provisioning_mode) {
    if (!provisioning_mode) {
        return absl::FailedPreconditionError(
            "this build reaches the main node in provisioning mode only: start it with --provisioning and set "
            "\"provisioningTransport\": \"plaintext\"");
    }
    if (config.provisioning_transport() != "plaintext") {
        return absl::FailedPreconditionError(
            "provisioningTransport: this build reaches the main node in plaintext only and does so when told: set "
            "\"provisioningTransport\": \"plaintext\"");
    }
    return MainNodeAccess{config.main_iam_public_server_url(), "plaintext", grpc::InsecureChannelCredentials()};
}

}  // namespace provhub::service
