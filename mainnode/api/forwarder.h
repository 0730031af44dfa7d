// Carries the calls of callers to nodes, whatever the method.
#ifndef PROVHUB_MAINNODE_API_FORWARDER_H_
#define PROVHUB_MAINNODE_API_FORWARDER_H_

#include <google/protobuf/message.h>
#include <grpcpp/support/server_callback.h>

#include <string>

#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"
#include "common/service/call_gate.h"

namespace provhub::api {

struct ForwarderOptions {
    // For messages, where a request names no node.
    std::string own_id;
};

// Thread-safe. What it is given MUST outlive the server.
class Forwarder {
 public:
    Forwarder(ForwarderOptions options, node::NodeEndpoint& router, service::CallGate& calls,
              runtime::Scheduler& scheduler)
        : options_(std::move(options)), router_(router), calls_(calls), scheduler_(scheduler) {}

    // Serves one call of the method that has this request. `request` and `response` are messages of the types that the
    // envelopes have for that method. The caller's deadline goes along, and so does its hanging up.
    //
    // An operation that was carried out, well or not, gives OK and the node's response; a call that could not be
    // carried gives a status (NodeEndpoint).
    grpc::ServerUnaryReactor* Forward(node::Request::IAMIncomingMessageCase request_case,
                                      grpc::CallbackServerContext* context, const google::protobuf::Message& request,
                                      google::protobuf::Message* response);

 private:
    const ForwarderOptions options_;
    node::NodeEndpoint& router_;
    service::CallGate& calls_;
    runtime::Scheduler& scheduler_;
};

}  // namespace provhub::api

#endif  // PROVHUB_MAINNODE_API_FORWARDER_H_
