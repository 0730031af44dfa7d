// What a secondary node may say of itself.
#ifndef PROVHUB_MAINNODE_HUB_NODE_INFO_CHECK_H_
#define PROVHUB_MAINNODE_HUB_NODE_INFO_CHECK_H_

#include "absl/status/status.h"
#include "iamanager/v6/iamanager.pb.h"

namespace provhub::hub {

// InvalidArgument: the node ID isn't 1 to 64 characters of printable ASCII without a space at either end, the state is
// no state, the attribute MainNode is there, or the whole is over 64 KiB.
absl::Status CheckNodeInfo(const iamanager::v6::NodeInfo& info);

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_NODE_INFO_CHECK_H_
