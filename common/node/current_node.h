// The node that this process runs on.
#ifndef PROVHUB_COMMON_NODE_CURRENT_NODE_H_
#define PROVHUB_COMMON_NODE_CURRENT_NODE_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/node/node_state.h"
#include "common/runtime/listeners.h"
#include "iamanager/v6/iamanager.pb.h"

namespace provhub::config::v1 {
class NodeInfo;
}

namespace provhub::node {

// Description and state of this node. Thread-safe.
class CurrentNode {
 public:
    // Reads the machine (config, /proc, statvfs) and the state file; makes no file. A state file that can't be
    // understood gives state `error` and leaves the file alone. `main_node` adds the attribute MainNode where the
    // configuration does not have it; without it the attribute is refused.
    //
    // Errors: NotFound, InvalidArgument (node ID file missing, empty, over 64 characters or not printable ASCII).
    static absl::StatusOr<std::unique_ptr<CurrentNode>> Create(const config::v1::NodeInfo& config, bool main_node);

    const std::string& id() const { return id_; }
    NodeState state() const;
    Phase phase() const;
    iamanager::v6::NodeInfo Info() const;

    // Persists state and phase in one atomic write (fsynced) before it returns, then tells the listeners. On an error
    // nothing has changed. FailedPrecondition for a move that IsAllowed refuses. Blocks on the disk.
    absl::Status Move(NodeState state, Phase phase);

    // Sets or, with OK, clears NodeInfo.error. Not persisted.
    void SetError(const absl::Status& error);

    // Tells of every change of Info, in the order of the changes.
    [[nodiscard]] runtime::Subscription Subscribe(std::function<void(const iamanager::v6::NodeInfo&)> listener) {
        return listeners_.Add(std::move(listener));
    }

 private:
    CurrentNode(iamanager::v6::NodeInfo info, std::string state_path, NodeState state, Phase phase);

    // Tells the listeners of what is in changes_, one thread at a time.
    void Announce();

    const std::string id_;
    const std::string state_path_;
    // Held while the state file is written, so that file and memory change in the same order; mutex_ is not.
    absl::Mutex move_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
    mutable absl::Mutex mutex_;
    iamanager::v6::NodeInfo info_ ABSL_GUARDED_BY(mutex_);
    NodeState state_ ABSL_GUARDED_BY(mutex_);
    Phase phase_ ABSL_GUARDED_BY(mutex_);
    // What the listeners have not been told yet.
    std::deque<iamanager::v6::NodeInfo> changes_ ABSL_GUARDED_BY(mutex_);
    bool announcing_ ABSL_GUARDED_BY(mutex_) = false;
    runtime::Listeners<iamanager::v6::NodeInfo> listeners_;
};

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_CURRENT_NODE_H_
