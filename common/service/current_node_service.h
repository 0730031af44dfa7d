// The node that serves the call.
#ifndef PROVHUB_COMMON_SERVICE_CURRENT_NODE_SERVICE_H_
#define PROVHUB_COMMON_SERVICE_CURRENT_NODE_SERVICE_H_

#include "common/node/current_node.h"
#include "common/service/call_gate.h"
#include "iamanager/v6/iamanager.grpc.pb.h"

namespace provhub::service {

class CurrentNodeService final : public iamanager::v6::IAMPublicCurrentNodeService::CallbackService {
 public:
    CurrentNodeService(node::CurrentNode& current_node, CallGate& streams)
        : current_node_(current_node), streams_(streams) {}

    grpc::ServerUnaryReactor* GetCurrentNodeInfo(grpc::CallbackServerContext* context,
                                                 const google::protobuf::Empty* request,
                                                 iamanager::v6::NodeInfo* response) override;
    grpc::ServerWriteReactor<iamanager::v6::NodeInfo>* SubscribeCurrentNodeChanged(
        grpc::CallbackServerContext* context, const google::protobuf::Empty* request) override;

 private:
    node::CurrentNode& current_node_;
    CallGate& streams_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_CURRENT_NODE_SERVICE_H_
