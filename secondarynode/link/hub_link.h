// Keeps this node registered with the main node.
#ifndef PROVHUB_SECONDARYNODE_LINK_HUB_LINK_H_
#define PROVHUB_SECONDARYNODE_LINK_HUB_LINK_H_

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"
#include "iamanager/v6/iamanager.pb.h"
#include "secondarynode/link/backoff.h"

namespace provhub::link {

// A way to the main node: a channel of its own for each attempt, so that nothing of a failed one (its back-off, its
// name resolution, its credentials) lingers in the next.
struct HubChannel {
    // For people: "main:8090, plaintext".
    std::string where;
    std::shared_ptr<grpc::Channel> channel;
};
// `connect_timeout` bounds the time from the first packet to the end of the handshake. Never blocks.
using HubConnector = std::function<absl::StatusOr<HubChannel>(absl::Duration connect_timeout)>;

struct HubLinkOptions {
    // Back-off between attempts.
    absl::Duration first_delay = absl::Seconds(1);
    absl::Duration max_delay = absl::Seconds(10);
    // A stream that has lasted this long lets the back-off start again from first_delay.
    absl::Duration stable_after = absl::Seconds(5);
    // How long the main node's caller is taken to wait where the request does not say.
    absl::Duration time_limit = absl::Minutes(5);
    std::function<double()> random = SystemRandom();
};

// Holds a RegisterNode stream to the main node open, through which the main node uses `operations`; when the stream
// ends, opens another one after a back-off. Connects from construction on. Thread-safe.
class HubLink {
 public:
    // `describe` yields NodeInfo as it is now; called from any thread. `operations` and `scheduler` MUST outlive the
    // link; operations that the link has begun may end after it, unheard.
    HubLink(HubConnector connect, std::function<iamanager::v6::NodeInfo()> describe, node::NodeEndpoint& operations,
            runtime::Scheduler& scheduler, HubLinkOptions options);

    // Ends the stream at once and waits for that. MUST NOT run in a callback of gRPC, the scheduler or an operation.
    ~HubLink();

    HubLink(const HubLink&) = delete;
    HubLink& operator=(const HubLink&) = delete;

    // What `describe` yields has changed: the main node is told, before it gets any answer that is given from now on.
    void NodeChanged();

    // Connects no more and takes no new requests; returns when the open ones have been answered and the stream has
    // ended, at the latest after `limit`, when what is still open is cut off. Blocks.
    void Drain(absl::Duration limit);

 private:
    class Connection;

    std::shared_ptr<Connection> connection_;
};

}  // namespace provhub::link

#endif  // PROVHUB_SECONDARYNODE_LINK_HUB_LINK_H_
