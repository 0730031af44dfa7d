// The nodes of the unit with their connection.
#ifndef PROVHUB_MAINNODE_API_NODE_DIRECTORY_SERVICE_H_
#define PROVHUB_MAINNODE_API_NODE_DIRECTORY_SERVICE_H_

#include "common/service/call_gate.h"
#include "mainnode/registry/node_registry.h"
#include "provhub/v1/provhub.grpc.pb.h"

namespace provhub::api {

class NodeDirectoryService final : public v1::NodeDirectoryService::CallbackService {
 public:
    NodeDirectoryService(registry::NodeRegistry& registry, service::CallGate& streams)
        : registry_(registry), streams_(streams) {}

    grpc::ServerUnaryReactor* ListNodes(grpc::CallbackServerContext* context, const v1::ListNodesRequest* request,
                                        v1::ListNodesResponse* response) override;
    grpc::ServerWriteReactor<v1::NodeStatus>* WatchNodes(grpc::CallbackServerContext* context,
                                                         const v1::WatchNodesRequest* request) override;

 private:
    registry::NodeRegistry& registry_;
    service::CallGate& streams_;
};

}  // namespace provhub::api

#endif  // PROVHUB_MAINNODE_API_NODE_DIRECTORY_SERVICE_H_
