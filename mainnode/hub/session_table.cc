#include "mainnode/hub/session_table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/status/macros.h"
#include "mainnode/hub/call_errors.h"

namespace provhub::hub {
namespace {

using iamanager::v6::NodeInfo;
using node::NodeState;
using node::Request;

struct StateAfter {
    Request::IAMIncomingMessageCase request_case;
    NodeState state;
};

// What the success of a method makes of the node. Peers of other make send no NodeInfo after some of them.
constexpr std::array kStatesAfter = {
    StateAfter{Request::kFinishProvisioningRequest, NodeState::kProvisioned},
    StateAfter{Request::kDeprovisionRequest, NodeState::kUnprovisioned},
    StateAfter{Request::kPauseNodeRequest, NodeState::kPaused},
    StateAfter{Request::kResumeNodeRequest, NodeState::kProvisioned},
};

}  // namespace

absl::StatusOr<SessionTable::Admission> SessionTable::Admit(const NodeInfo& info, const StreamOffer& offer) {
    RETURN_IF_ERROR(registry_.CheckConnect(info.node_id()));
    const auto node = FindOrAdd(info.node_id());
    ASSIGN_OR_RETURN(const std::uint64_t generation, node->Reserve(offer));
    const Admission admission{node, generation};
    absl::Status admitted = registry_.Connect(info, generation);
    if (admitted.ok()) {
        admitted = node->Attach(generation, offer);
    }
    if (!admitted.ok()) {
        Leave(admission);
        return admitted;
    }
    return admission;
}

void SessionTable::Leave(const Admission& admission) {
    registry_.Disconnect(admission.node->node_id(), admission.generation);
    admission.node->Detach(admission.generation);
}

absl::StatusOr<std::shared_ptr<RemoteNode>> SessionTable::Find(absl::string_view node_id) {
    {
        absl::ReaderMutexLock lock(&mutex_);
        if (const auto found = nodes_.find(node_id); found != nodes_.end()) {
            return found->second;
        }
    }
    if (registry_.Find(node_id) == nullptr) {
        return UnknownNode(node_id);
    }
    return FindOrAdd(node_id);
}

std::size_t SessionTable::PendingCallsOf(absl::string_view node_id) {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = nodes_.find(node_id);
    return found == nodes_.end() ? 0 : found->second->pending_calls();
}

std::shared_ptr<RemoteNode> SessionTable::FindOrAdd(absl::string_view node_id) {
    absl::MutexLock lock(&mutex_);
    auto& node = nodes_[std::string(node_id)];
    if (node == nullptr) {
        auto on_success = [this, id = std::string(node_id)](const node::Method& method, std::uint64_t generation) {
            const auto* after = std::ranges::find(kStatesAfter, method.request_case, &StateAfter::request_case);
            if (after != kStatesAfter.end()) {
                registry_.SetState(id, after->state, generation);
            }
        };
        node = std::make_shared<RemoteNode>(
            std::string(node_id), std::make_shared<PendingCalls>(std::string(node_id), options_, deadlines_, scheduler_,
                                                                 counters_, std::move(on_success)));
    }
    return node;
}

}  // namespace provhub::hub
