// The services that both kinds of node offer on every listener.
#ifndef PROVHUB_COMMON_SERVICE_NODE_SERVICES_H_
#define PROVHUB_COMMON_SERVICE_NODE_SERVICES_H_

#include <vector>

#include "common/node/node_core.h"
#include "common/runtime/scheduler.h"
#include "common/service/call_gate.h"
#include "common/service/current_node_service.h"
#include "common/service/inspection_service.h"
#include "common/service/public_cert_service.h"
#include "common/service/version_service.h"

namespace provhub::service {

// How many change streams a process keeps open at a time, of all kinds and clients together.
inline constexpr std::size_t kMaxChangeStreams = 4096;

class NodeServices {
 public:
    NodeServices(node::NodeCore& core, bool main_node, bool provisioning_mode, runtime::Scheduler& scheduler,
                 CallGate& streams, ForwardList forward = nullptr)
        : current_node_(core.current_node(), streams),
          certificates_(core.certificates(), scheduler, streams),
          inspection_({core.current_node().id(), main_node, provisioning_mode}, core.certificates(), scheduler,
                      std::move(forward)) {}

    // To be given to a Listener.
    std::vector<grpc::Service*> all() { return {&version_, &current_node_, &certificates_, &inspection_}; }

 private:
    VersionService version_;
    CurrentNodeService current_node_;
    PublicCertService certificates_;
    InspectionService inspection_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_NODE_SERVICES_H_
