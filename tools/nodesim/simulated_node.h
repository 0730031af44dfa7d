// One simulated secondary node.
#ifndef PROVHUB_TOOLS_NODESIM_SIMULATED_NODE_H_
#define PROVHUB_TOOLS_NODESIM_SIMULATED_NODE_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/node_endpoint.h"
#include "common/node/node_state.h"
#include "secondarynode/link/backoff.h"
#include "tools/nodesim/answers.h"
#include "tools/nodesim/command_line.h"
#include "tools/nodesim/credentials.h"
#include "tools/nodesim/later.h"
#include "tools/nodesim/statistics.h"

namespace provhub::nodesim {

// What all nodes of a simulation share; outlives them.
struct Simulation {
    const Behaviour& behaviour;
    absl::Duration reconnect_interval;
    const Connector& connect;
    const Answers& answers;
    Later& later;
    Statistics& statistics;
};

// Registers with the main node, answers what it is asked, and registers again when its stream has ended. Thread-safe.
class SimulatedNode : public std::enable_shared_from_this<SimulatedNode> {
 public:
    SimulatedNode(std::string id, bool slow_reader, const Simulation& simulation);

    // Any thread that may make a channel.
    void Connect();

    // Ends its stream and opens no other; `ended` is counted down when gRPC calls no more.
    void Stop(absl::BlockingCounter& ended);

 private:
    class Stream;

    iamanager::v6::NodeInfo Info() const;
    void OnEnded(bool connected, const absl::Status& status);

    const std::string id_;
    const bool slow_reader_;
    const Simulation& simulation_;
    mutable absl::Mutex mutex_;
    node::NodeState state_ ABSL_GUARDED_BY(mutex_);
    link::Backoff backoff_ ABSL_GUARDED_BY(mutex_);
    std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
    bool connecting_ ABSL_GUARDED_BY(mutex_) = false;
    // Not null: stopping.
    absl::BlockingCounter* ended_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace provhub::nodesim

#endif  // PROVHUB_TOOLS_NODESIM_SIMULATED_NODE_H_
