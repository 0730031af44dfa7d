// Channels to the main node.
#ifndef PROVHUB_SECONDARYNODE_LINK_HUB_CHANNEL_H_
#define PROVHUB_SECONDARYNODE_LINK_HUB_CHANNEL_H_

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "secondarynode/link/hub_link.h"

namespace provhub::link {

// Channels to `target` ("host:port"); `transport` is for people. A main node that is gone is noticed by pings within 20
// s.
HubConnector ConnectTo(std::string target, std::shared_ptr<grpc::ChannelCredentials> credentials, std::string transport,
                       std::string server_name = "");

}  // namespace provhub::link

#endif  // PROVHUB_SECONDARYNODE_LINK_HUB_CHANNEL_H_
