#include "mainnode/api/node_directory_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/node/node_state.h"
#include "common/service/change_stream.h"
#include "common/status/shown.h"
#include "common/status/status.h"

namespace provhub::api {
namespace {

using v1::ListNodesRequest;
using v1::ListNodesResponse;
using v1::NodeStatus;

constexpr std::size_t kMaxPageSize = 1000;
// Of one response, well below what a client takes.
constexpr std::size_t kMaxPageBytes = 3 * 1024 * 1024;
// How many nodes are looked at between two looks at the registry.
constexpr std::size_t kBatch = 256;

absl::Status CheckStates(const ListNodesRequest& request) {
    for (const std::string& state : request.states()) {
        if (!node::ParseNodeState(state)) {
            return absl::InvalidArgumentError(absl::StrCat("states: '", status::Shown(state),
                                                           "': expected unprovisioned, provisioned, paused or error"));
        }
    }
    return absl::OkStatus();
}

bool IsWanted(const ListNodesRequest& request, const NodeStatus& node) {
    const bool state_fits =
        request.states().empty() || std::ranges::find(request.states(), node.info().state()) != request.states().end();
    return state_fits && (node.connected() || !request.connected_only());
}

void FillPage(const registry::NodeRegistry& registry, const ListNodesRequest& request, ListNodesResponse& response) {
    const std::size_t asked = request.page_size() == 0 ? kMaxPageSize : request.page_size();
    const std::size_t page_size = std::min(asked, kMaxPageSize);
    std::string last = request.page_token();
    std::size_t bytes = 0;
    for (;;) {
        const auto nodes = registry.List(last, kBatch);
        for (const auto& node : nodes) {
            if (IsWanted(request, *node)) {
                bytes += node->ByteSizeLong();
                const auto count = static_cast<std::size_t>(response.nodes_size());
                if (count == page_size || (count > 0 && bytes > kMaxPageBytes)) {
                    response.set_next_page_token(response.nodes(static_cast<int>(count) - 1).info().node_id());
                    return;
                }
                *response.add_nodes() = *node;
            }
            last = node->info().node_id();
        }
        if (nodes.size() < kBatch) {
            return;
        }
    }
}

}  // namespace

grpc::ServerUnaryReactor* NodeDirectoryService::ListNodes(grpc::CallbackServerContext* context,
                                                          const ListNodesRequest* request,
                                                          ListNodesResponse* response) {
    const absl::Status valid = CheckStates(*request);
    if (valid.ok()) {
        FillPage(registry_, *request, *response);
    }
    auto* reactor = context->DefaultReactor();
    reactor->Finish(status::ToGrpc(valid));
    return reactor;
}

grpc::ServerWriteReactor<NodeStatus>* NodeDirectoryService::WatchNodes(grpc::CallbackServerContext*,
                                                                       const v1::WatchNodesRequest*) {
    return service::ChangeStream<NodeStatus>::Open(streams_, [this](service::ChangeStream<NodeStatus>::Push push) {
        return registry_.Subscribe([push = std::move(push)](const registry::NodeChange& change) {
            push(change.node->info().node_id(), *change.node);
        });
    });
}

}  // namespace provhub::api
