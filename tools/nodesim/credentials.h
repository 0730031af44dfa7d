// How simulated nodes show who they are.
#ifndef PROVHUB_TOOLS_NODESIM_CREDENTIALS_H_
#define PROVHUB_TOOLS_NODESIM_CREDENTIALS_H_

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tools/nodesim/command_line.h"

namespace provhub::nodesim {

// A channel to the main node, with a connection of its own, for the node of this ID. Thread-safe. Errors are about the
// files of that node.
using Connector = std::function<absl::StatusOr<std::shared_ptr<grpc::Channel>>(const std::string& node_id)>;

// Errors: about files that all nodes share.
absl::StatusOr<Connector> CreateConnector(const Connection& connection);

}  // namespace provhub::nodesim

#endif  // PROVHUB_TOOLS_NODESIM_CREDENTIALS_H_
