#include "mainnode/hub/stream_policy.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/node/node_state.h"

namespace provhub::hub {
namespace {

using node::NodeState;

enum class Verdict {
    kAdmitUnproven,
    kAdmitProven,
    // It has an identity, and must use it.
    kBelongsOnProtected,
    // It has none yet, or not any more.
    kBelongsOnPublic,
    kShowsNoCertificate,
    kIsAnotherNode,
};

enum class Listener { kPublic, kProtected };

enum class Identity {
    kNone,
    // A certificate that vouches for this node, or for other ones.
    kOfNode,
    kOfOthers,
};

// What is not set applies to all. The first row that applies decides.
struct Row {
    bool provisioning_mode;
    std::optional<Listener> listener;
    std::optional<Identity> identity;
    std::optional<NodeState> state;
    Verdict verdict;
};

// A node in the state error may have its identity still, or have lost it: it must be in reach to be repaired.
constexpr std::array kRows = {
    Row{true, std::nullopt, std::nullopt, std::nullopt, Verdict::kAdmitUnproven},
    Row{false, Listener::kPublic, std::nullopt, NodeState::kUnprovisioned, Verdict::kAdmitUnproven},
    Row{false, Listener::kPublic, std::nullopt, NodeState::kError, Verdict::kAdmitUnproven},
    Row{false, Listener::kPublic, std::nullopt, std::nullopt, Verdict::kBelongsOnProtected},
    Row{false, Listener::kProtected, Identity::kNone, std::nullopt, Verdict::kShowsNoCertificate},
    Row{false, Listener::kProtected, Identity::kOfOthers, std::nullopt, Verdict::kIsAnotherNode},
    Row{false, Listener::kProtected, Identity::kOfNode, NodeState::kUnprovisioned, Verdict::kBelongsOnPublic},
    Row{false, Listener::kProtected, Identity::kOfNode, std::nullopt, Verdict::kAdmitProven},
};

Identity IdentityOf(const service::Caller& caller, const std::string& node_id) {
    if (!caller.authenticated) {
        return Identity::kNone;
    }
    return std::ranges::find(caller.node_ids, node_id) != caller.node_ids.end() ? Identity::kOfNode
                                                                                : Identity::kOfOthers;
}

template <typename Value>
bool Applies(const std::optional<Value>& condition, Value value) {
    return !condition || *condition == value;
}

absl::Status IsAnotherNode(const service::Caller& caller, const std::string& node_id) {
    if (caller.node_ids.empty()) {
        return absl::PermissionDeniedError(absl::StrCat(
            "the certificate of ", caller.name, " vouches for no node, this stream says that it is node '", node_id,
            "'; give the node a certificate with its URI, or list the certificate in nodeIdentity.allow"));
    }
    return absl::PermissionDeniedError(absl::StrCat("the certificate of ", caller.name, " vouches for '",
                                                    absl::StrJoin(caller.node_ids, "', '"),
                                                    "', this stream says that it is node '", node_id, "'"));
}

}  // namespace

absl::StatusOr<StreamTrust> DecideOnStream(bool provisioning_mode, const service::Caller& caller,
                                           const iamanager::v6::NodeInfo& info) {
    const Listener listener = caller.listener == "protected" ? Listener::kProtected : Listener::kPublic;
    const Identity identity = IdentityOf(caller, info.node_id());
    const NodeState state = node::ParseNodeState(info.state()).value_or(NodeState::kError);
    const auto* row = std::ranges::find_if(kRows, [&](const Row& candidate) {
        return candidate.provisioning_mode == provisioning_mode && Applies(candidate.listener, listener) &&
               Applies(candidate.identity, identity) && Applies(candidate.state, state);
    });
    switch (row->verdict) {
        case Verdict::kAdmitUnproven:
            return StreamTrust::kUnproven;
        case Verdict::kAdmitProven:
            return StreamTrust::kProven;
        case Verdict::kBelongsOnProtected:
            return absl::FailedPreconditionError(
                absl::StrCat("node '", info.node_id(), "' is ", info.state(),
                             ": it registers on the protected port, with mutual TLS, since the main node runs in "
                             "normal mode; check the node's certStorage and mainIamProtectedServerUrl"));
        case Verdict::kBelongsOnPublic:
            return absl::FailedPreconditionError(
                absl::StrCat("node '", info.node_id(),
                             "' is unprovisioned: it registers on the public port; start it with --provisioning"));
        case Verdict::kShowsNoCertificate:
            return absl::UnauthenticatedError(
                absl::StrCat("node '", info.node_id(),
                             "' shows no certificate that can be verified; a node without one registers on the public "
                             "port, unprovisioned and in provisioning mode"));
        case Verdict::kIsAnotherNode:
            return IsAnotherNode(caller, info.node_id());
    }
    return absl::InternalError("a stream that no rule speaks of");
}

}  // namespace provhub::hub
