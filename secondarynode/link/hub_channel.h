// Where the main node is met, and over what transport.
#ifndef PROVHUB_SECONDARYNODE_LINK_HUB_CHANNEL_H_
#define PROVHUB_SECONDARYNODE_LINK_HUB_CHANNEL_H_

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "secondarynode/link/hub_link.h"

namespace provhub::config::v1 {
class Config;
}

namespace provhub::link {

// How the main node is reached from a node in provisioning mode or without it.
//
// Errors: FailedPrecondition, saying what to set, for a combination that is not served.
absl::StatusOr<HubConnector> CreateHubConnector(const config::v1::Config& config, bool provisioning_mode);

// Connects to `target` ("host:port"). A main node that is gone is noticed by pings within 20 s.
HubConnector ConnectTo(std::string target, std::shared_ptr<grpc::ChannelCredentials> credentials,
                       std::string transport);

}  // namespace provhub::link

#endif  // PROVHUB_SECONDARYNODE_LINK_HUB_CHANNEL_H_
