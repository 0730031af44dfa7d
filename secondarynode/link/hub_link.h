// Keeps this node registered with the main node.
#ifndef PROVHUB_SECONDARYNODE_LINK_HUB_LINK_H_
#define PROVHUB_SECONDARYNODE_LINK_HUB_LINK_H_

#include <grpcpp/channel.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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
    // The node proves its identity on it.
    bool proven = false;
    // Initial metadata for RegisterNode.
    std::vector<std::pair<std::string, std::string>> metadata = {};
};
struct ConnectRequest {
    // Bounds the time from the first packet to the end of the handshake.
    absl::Duration timeout;
    // The channel is to take over from a proven one, and has to be proven too.
    bool handover = false;
    // The main node did not accept who this node was the last time: nothing of then is to be used again.
    bool refused = false;
};
// Called from any thread but gRPC's; may block on the disk, never on the network.
using HubConnector = std::function<absl::StatusOr<HubChannel>(const ConnectRequest& request)>;

struct HubLinkOptions {
    // Back-off between attempts.
    absl::Duration first_delay = absl::Seconds(1);
    absl::Duration max_delay = absl::Seconds(10);
    // A stream that has lasted this long lets the back-off start again from first_delay.
    absl::Duration stable_after = absl::Seconds(5);
    // How long the main node's caller is taken to wait where the request does not say.
    absl::Duration time_limit = absl::Minutes(5);
    std::function<double()> random = SystemRandom();
    // Told of the secret by which this node may come back as long as it has no identity. May block on the disk.
    std::function<void(const std::string& rejoin_secret)> keep_rejoin_secret = [](const std::string&) {};
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

    // What the node shows to prove its identity has changed. A proven connection is replaced by a new one: that one
    // takes the calls as soon as the main node has admitted it, while the one before brings its answers and ends. Where
    // the new one fails, the one before stays. Never blocks.
    void Renew();

    // Connects no more and takes no new requests; returns when the open ones have been answered and the stream has
    // ended, at the latest after `limit`, when what is still open is cut off. Blocks.
    void Drain(absl::Duration limit);

 private:
    class Connection;

    std::shared_ptr<Connection> connection_;
};

}  // namespace provhub::link

#endif  // PROVHUB_SECONDARYNODE_LINK_HUB_LINK_H_
