// Finds the node that a request is for.
#ifndef PROVHUB_MAINNODE_HUB_NODE_ROUTER_H_
#define PROVHUB_MAINNODE_HUB_NODE_ROUTER_H_

#include "absl/time/time.h"
#include "common/node/identity.h"
#include "common/node/method_table.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"
#include "mainnode/hub/session_table.h"

namespace provhub::hub {

struct RouterOptions {
    std::string own_id;
    absl::Duration local_limit = absl::Minutes(1);
    absl::Duration forward_limit = absl::Minutes(5);
    absl::Duration forward_node_state_limit = absl::Minutes(1);
};

// Every node of the unit behind one endpoint. An empty node_id and the main node's own go to `local`; a deadline that
// is later than the limit of the way and the method is brought forward to it. CreateKey without a subject gets the
// unit's system ID, InvalidArgument where the unit has none.
class NodeRouter final : public node::NodeEndpoint {
 public:
    NodeRouter(RouterOptions options, node::NodeEndpoint& local, SessionTable& nodes, const node::Identity& identity,
               runtime::Scheduler& scheduler)
        : options_(std::move(options)), local_(local), nodes_(nodes), identity_(identity), scheduler_(scheduler) {}

    void Call(node::Request request, node::CallContext context, node::Done done) override;

 private:
    void Route(const node::Method& method, node::Request request, node::CallContext context, node::Done done);
    void RouteWithSystemId(const node::Method& method, node::Request request, node::CallContext context,
                           node::Done done);

    const RouterOptions options_;
    node::NodeEndpoint& local_;
    SessionTable& nodes_;
    const node::Identity& identity_;
    runtime::Scheduler& scheduler_;
};

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_NODE_ROUTER_H_
