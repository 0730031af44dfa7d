// The connection to the node that provctl asks.
#ifndef PROVHUB_TOOLS_PROVCTL_CHANNEL_H_
#define PROVHUB_TOOLS_PROVCTL_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>

#include "absl/status/statusor.h"
#include "tools/provctl/command_line.h"

namespace provhub::provctl {

// Connects with the first call. Errors: NotFound, PermissionDenied, ... (the PEM files).
absl::StatusOr<std::shared_ptr<grpc::Channel>> CreateChannel(const ConnectionOptions& options);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_CHANNEL_H_
