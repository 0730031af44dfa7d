// The states of a node and the moves between them.
#ifndef PROVHUB_COMMON_NODE_NODE_STATE_H_
#define PROVHUB_COMMON_NODE_NODE_STATE_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace provhub::node {

enum class NodeState {
    kUnprovisioned,
    kProvisioned,
    kPaused,
    kError,
};

// How far a provisioning or deprovisioning has come; kept in the state file beside the state.
enum class Phase {
    kNone,
    // StartProvisioning has begun to change the node. After a power cut it has to be run again.
    kStarting,
    // StartProvisioning went well; keys can be made.
    kStarted,
    // Deprovision was accepted. Finished at the next start when it was cut off.
    kDeprovisioning,
    // The platform's deprovision hook went well; what remains is to erase.
    kErasing,
};

// The word of the state file and of NodeInfo.
absl::string_view ToString(NodeState state);
std::optional<NodeState> ParseNodeState(absl::string_view word);

absl::string_view ToString(Phase phase);
std::optional<Phase> ParsePhase(absl::string_view word);

// Whether a node may move from one state to another. Staying is always allowed.
bool IsAllowed(NodeState from, NodeState to);

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_NODE_STATE_H_
