#include "mainnode/api/public_nodes_service.h"

#include "common/service/change_stream.h"
#include "common/status/status.h"
#include "mainnode/hub/call_errors.h"

namespace provhub::api {

using iamanager::v6::GetNodeInfoRequest;
using iamanager::v6::NodeInfo;
using iamanager::v6::NodesID;

grpc::ServerUnaryReactor* PublicNodesService::GetAllNodeIDs(grpc::CallbackServerContext* context,
                                                            const google::protobuf::Empty*, NodesID* response) {
    for (const auto& node : registry_.List("", registry::NodeRegistry::kMaxNodes)) {
        response->add_ids(node->info().node_id());
    }
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
}

grpc::ServerUnaryReactor* PublicNodesService::GetNodeInfo(grpc::CallbackServerContext* context,
                                                          const GetNodeInfoRequest* request, NodeInfo* response) {
    auto* reactor = context->DefaultReactor();
    const std::string& id = request->node_id().empty() ? registry_.own_id() : request->node_id();
    if (const auto node = registry_.Find(id)) {
        *response = node->info();
        reactor->Finish(grpc::Status::OK);
    } else {
        reactor->Finish(status::ToGrpc(hub::UnknownNode(id)));
    }
    return reactor;
}

grpc::ServerWriteReactor<NodeInfo>* PublicNodesService::SubscribeNodeChanged(grpc::CallbackServerContext*,
                                                                             const google::protobuf::Empty*) {
    return service::ChangeStream<NodeInfo>::Open(streams_, [this](service::ChangeStream<NodeInfo>::Push push) {
        return registry_.Subscribe([push = std::move(push)](const registry::NodeChange& change) {
            if (change.info_changed) {
                push(change.node->info().node_id(), change.node->info());
            }
        });
    });
}

grpc::ServerBidiReactor<node::Reply, node::Request>* PublicNodesService::RegisterNode(
    grpc::CallbackServerContext* context) {
    return hub::NodeSession::Open(sessions_, context);
}

}  // namespace provhub::api
