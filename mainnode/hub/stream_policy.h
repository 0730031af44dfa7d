// Who may open a RegisterNode stream, and as which node: the one place where that is decided.
#ifndef PROVHUB_MAINNODE_HUB_STREAM_POLICY_H_
#define PROVHUB_MAINNODE_HUB_STREAM_POLICY_H_

#include "absl/status/statusor.h"
#include "common/service/caller.h"
#include "iamanager/v6/iamanager.pb.h"

namespace provhub::hub {

enum class StreamTrust {
    // Only the stream itself says which node it is.
    kUnproven,
    // The caller's certificate vouches for it.
    kProven,
};

// `info` passed CheckNodeInfo. `provisioning_mode` is the main node's.
//
// Errors tell the node what to do instead: FailedPrecondition (it belongs on the other port, or needs the other mode),
// Unauthenticated, PermissionDenied (the certificate vouches for other nodes, or for none).
absl::StatusOr<StreamTrust> DecideOnStream(bool provisioning_mode, const service::Caller& caller,
                                           const iamanager::v6::NodeInfo& info);

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_STREAM_POLICY_H_
