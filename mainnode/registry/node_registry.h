// What the main node knows of the nodes of its unit.
#ifndef PROVHUB_MAINNODE_REGISTRY_NODE_REGISTRY_H_
#define PROVHUB_MAINNODE_REGISTRY_NODE_REGISTRY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/node/current_node.h"
#include "common/node/node_state.h"
#include "common/runtime/listeners.h"
#include "common/runtime/scheduler.h"
#include "mainnode/registry/node_writer.h"

namespace provhub::registry {

struct NodeChange {
    NodeStatusPtr node;
    // False where only the connection began or ended.
    bool info_changed = false;
};

// Every node that ever registered, and this one. The truth is in memory, stored behind the callers' backs; nothing here
// blocks on the disk but Open and the destructor. Thread-safe.
//
// A node's streams are told apart by generation numbers, which grow: what an older stream says after a newer one has
// connected changes nothing. The record of this node comes from CurrentNode, no stream can change it.
class NodeRegistry {
 public:
    // How many nodes are remembered.
    static constexpr std::size_t kMaxNodes = 20'000;

    // All nodes are disconnected but this one. Errors: those of NodeStore.
    static absl::StatusOr<std::unique_ptr<NodeRegistry>> Open(const std::string& path, node::CurrentNode& current_node,
                                                              runtime::Scheduler& scheduler);
    // Returns when everything is stored.
    ~NodeRegistry();

    const std::string& own_id() const { return current_node_.id(); }

    // Whether a node of this ID may connect. PermissionDenied (this node's own ID), ResourceExhausted (kMaxNodes).
    absl::Status CheckConnect(absl::string_view node_id) const;
    // A stream of `info.node_id()` has begun.
    // Errors: those of CheckConnect, Aborted (a newer stream is there).
    absl::Status Connect(const iamanager::v6::NodeInfo& info, std::uint64_t generation);
    void Disconnect(absl::string_view node_id, std::uint64_t generation);
    void Update(const iamanager::v6::NodeInfo& info, std::uint64_t generation);
    void SetState(absl::string_view node_id, node::NodeState state, std::uint64_t generation);

    // Null where the node is unknown.
    NodeStatusPtr Find(absl::string_view node_id) const;
    // At most `limit` nodes in the order of their IDs, from the first one after `after`.
    std::vector<NodeStatusPtr> List(absl::string_view after, std::size_t limit) const;

    // Changes of one node come in the order in which they happened.
    [[nodiscard]] runtime::Subscription Subscribe(std::function<void(const NodeChange&)> listener) {
        return listeners_.Add(std::move(listener));
    }

 private:
    struct Entry {
        NodeStatusPtr node;
        std::uint64_t generation = 0;
    };

    absl::Status CheckConnectLocked(absl::string_view node_id) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

    NodeRegistry(node::CurrentNode& current_node, runtime::Scheduler& scheduler, std::shared_ptr<NodeWriter> writer);

    void TakeOver(std::vector<v1::NodeStatus> stored);
    void RefreshOwn();
    // The entry, when `generation` is its newest one.
    Entry* Current(absl::string_view node_id, std::uint64_t generation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void Replace(Entry& entry, v1::NodeStatus node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    void ReplaceInfo(Entry& entry, const iamanager::v6::NodeInfo& info) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    // Tells the listeners what has not been told yet, unless another thread is at it.
    void Tell() ABSL_LOCKS_EXCLUDED(mutex_);

    node::CurrentNode& current_node_;
    runtime::Scheduler& scheduler_;
    const std::shared_ptr<NodeWriter> writer_;
    mutable absl::Mutex mutex_;
    std::map<std::string, Entry, std::less<>> nodes_ ABSL_GUARDED_BY(mutex_);
    std::deque<NodeChange> untold_ ABSL_GUARDED_BY(mutex_);
    bool telling_ ABSL_GUARDED_BY(mutex_) = false;
    runtime::Listeners<NodeChange> listeners_;
    runtime::Subscription own_changes_;
};

}  // namespace provhub::registry

#endif  // PROVHUB_MAINNODE_REGISTRY_NODE_REGISTRY_H_
