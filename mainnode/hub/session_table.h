// Every secondary node that has had a stream or a call since the start, and who may open one.
#ifndef PROVHUB_MAINNODE_HUB_SESSION_TABLE_H_
#define PROVHUB_MAINNODE_HUB_SESSION_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "mainnode/hub/pending_calls.h"
#include "mainnode/hub/remote_node.h"
#include "mainnode/registry/node_registry.h"

namespace provhub::hub {

// Keeps streams and the registry in step. Thread-safe.
class SessionTable {
 public:
    SessionTable(registry::NodeRegistry& registry, const PendingOptions& options, runtime::Scheduler& scheduler)
        : registry_(registry),
          options_(options),
          scheduler_(scheduler),
          deadlines_(std::make_shared<DeadlineQueue>(scheduler)) {}

    struct Admission {
        std::shared_ptr<RemoteNode> node;
        std::uint64_t generation = 0;
    };
    // A new stream says that it is `info.node_id()`; `info` passed CheckNodeInfo and DecideOnStream. From now on it
    // carries that node's calls and has the right to write (PendingCalls::Attach); Leave MUST follow when it ends.
    // Errors: those of NodeRegistry::Connect and RemoteNode::Reserve.
    absl::StatusOr<Admission> Admit(const iamanager::v6::NodeInfo& info, const StreamOffer& offer);
    // The stream of `admission` is over: its calls fail now. Changes nothing else when a newer stream is there.
    void Leave(const Admission& admission);

    // Tells the registry what a stream says of its node.
    void Update(const iamanager::v6::NodeInfo& info, const Admission& admission) {
        registry_.Update(info, admission.generation);
    }

    // NotFound where no node of this ID has ever registered.
    absl::StatusOr<std::shared_ptr<RemoteNode>> Find(absl::string_view node_id);

    // Calls that wait for the node or for its answer.
    std::size_t PendingCallsOf(absl::string_view node_id);

    const HubCounters& counters() const { return counters_; }

 private:
    std::shared_ptr<RemoteNode> FindOrAdd(absl::string_view node_id) ABSL_LOCKS_EXCLUDED(mutex_);

    registry::NodeRegistry& registry_;
    const PendingOptions options_;
    runtime::Scheduler& scheduler_;
    const std::shared_ptr<DeadlineQueue> deadlines_;
    HubCounters counters_;
    absl::Mutex mutex_;
    absl::flat_hash_map<std::string, std::shared_ptr<RemoteNode>> nodes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_SESSION_TABLE_H_
