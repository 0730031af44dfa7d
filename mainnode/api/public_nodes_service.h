// The nodes of the unit as the contract shows them, and where secondary nodes register.
#ifndef PROVHUB_MAINNODE_API_PUBLIC_NODES_SERVICE_H_
#define PROVHUB_MAINNODE_API_PUBLIC_NODES_SERVICE_H_

#include "common/service/call_gate.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "mainnode/hub/node_session.h"
#include "mainnode/registry/node_registry.h"

namespace provhub::api {

class PublicNodesService final : public iamanager::v6::IAMPublicNodesService::CallbackService {
 public:
    PublicNodesService(registry::NodeRegistry& registry, hub::SessionEnvironment& sessions, service::CallGate& streams)
        : registry_(registry), sessions_(sessions), streams_(streams) {}

    grpc::ServerUnaryReactor* GetAllNodeIDs(grpc::CallbackServerContext* context,
                                            const google::protobuf::Empty* request,
                                            iamanager::v6::NodesID* response) override;
    grpc::ServerUnaryReactor* GetNodeInfo(grpc::CallbackServerContext* context,
                                          const iamanager::v6::GetNodeInfoRequest* request,
                                          iamanager::v6::NodeInfo* response) override;
    grpc::ServerWriteReactor<iamanager::v6::NodeInfo>* SubscribeNodeChanged(
        grpc::CallbackServerContext* context, const google::protobuf::Empty* request) override;
    grpc::ServerBidiReactor<node::Reply, node::Request>* RegisterNode(grpc::CallbackServerContext* context) override;

 private:
    registry::NodeRegistry& registry_;
    hub::SessionEnvironment& sessions_;
    service::CallGate& streams_;
};

}  // namespace provhub::api

#endif  // PROVHUB_MAINNODE_API_PUBLIC_NODES_SERVICE_H_
