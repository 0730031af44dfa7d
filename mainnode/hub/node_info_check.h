// What a secondary node may say of itself.
#ifndef PROVHUB_MAINNODE_HUB_NODE_INFO_CHECK_H_
#define PROVHUB_MAINNODE_HUB_NODE_INFO_CHECK_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "iamanager/v6/iamanager.pb.h"

namespace provhub::hub {

// InvalidArgument: not 1 to 64 characters of printable ASCII without a space at either end.
absl::Status CheckNodeId(absl::string_view node_id);

// InvalidArgument: the node ID isn't one, the state is no state, the attribute MainNode is there, or the whole is over
// 64 KiB.
absl::Status CheckNodeInfo(const iamanager::v6::NodeInfo& info);

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_NODE_INFO_CHECK_H_
