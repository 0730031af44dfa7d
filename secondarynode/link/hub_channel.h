// Channels to the main node.
#ifndef PROVHUB_SECONDARYNODE_LINK_HUB_CHANNEL_H_
#define PROVHUB_SECONDARYNODE_LINK_HUB_CHANNEL_H_

#include "common/service/main_node_access.h"
#include "secondarynode/link/hub_link.h"

namespace provhub::link {

// A main node that is gone is noticed by pings within 20 s.
HubChannel OpenChannel(const service::MainNodeAccess& access, absl::Duration connect_timeout);

// The same way for each attempt.
HubConnector ConnectTo(service::MainNodeAccess access);

}  // namespace provhub::link

#endif  // PROVHUB_SECONDARYNODE_LINK_HUB_CHANNEL_H_
