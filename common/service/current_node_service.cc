#include "common/service/current_node_service.h"

#include "common/service/change_stream.h"

namespace provhub::service {

using iamanager::v6::NodeInfo;

grpc::ServerUnaryReactor* CurrentNodeService::GetCurrentNodeInfo(grpc::CallbackServerContext* context,
                                                                 const google::protobuf::Empty*, NodeInfo* response) {
    *response = current_node_.Info();
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
}

grpc::ServerWriteReactor<NodeInfo>* CurrentNodeService::SubscribeCurrentNodeChanged(grpc::CallbackServerContext*,
                                                                                    const google::protobuf::Empty*) {
    return ChangeStream<NodeInfo>::Open(streams_, [this](ChangeStream<NodeInfo>::Push push) {
        return current_node_.Subscribe([push = std::move(push)](const NodeInfo& info) { push(info.node_id(), info); });
    });
}

}  // namespace provhub::service
