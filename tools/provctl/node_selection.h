// Which nodes a command is for.
#ifndef PROVHUB_TOOLS_PROVCTL_NODE_SELECTION_H_
#define PROVHUB_TOOLS_PROVCTL_NODE_SELECTION_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/provctl/command_line.h"
#include "tools/provctl/console.h"
#include "tools/provctl/node_work.h"
#include "tools/provctl/unit_client.h"

namespace provhub::provctl {

struct SelectedNode {
    UnitNode node;
    // Set where there is nothing to do or nothing can be done.
    std::optional<NodeResult> verdict;
};

// The nodes to provision, after waiting for them as the command says. Of all the nodes, those that are provisioned
// already are skipped; by name, that is an error, as a name that the unit doesn't know is.
//
// Errors: DeadlineExceeded (too few nodes connected), FailedPrecondition (all, but nobody knows of any), or those of
// the call.
absl::StatusOr<std::vector<SelectedNode>> SelectNodes(UnitClient& client, const ProvisionCommand& command,
                                                      Console& console);

// The provisioned nodes that a command for them is for. Of all the nodes, those that are not provisioned are skipped;
// by name, that is an error, as a name that the unit doesn't know is. Errors: those of the call.
absl::StatusOr<std::vector<SelectedNode>> SelectProvisionedNodes(UnitClient& client,
                                                                 const std::vector<std::string>& names, bool all,
                                                                 Console& console);

// Without repetitions, in order.
std::vector<std::string> Distinct(const std::vector<std::string>& names);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_NODE_SELECTION_H_
