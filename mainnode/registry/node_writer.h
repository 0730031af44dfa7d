// Writes nodes to their file behind the back of whoever changes them.
#ifndef PROVHUB_MAINNODE_REGISTRY_NODE_WRITER_H_
#define PROVHUB_MAINNODE_REGISTRY_NODE_WRITER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/runtime/scheduler.h"
#include "mainnode/registry/node_store.h"

namespace provhub::registry {

// Changes that come while a transaction is written go together into the next one; of several changes of one node the
// last counts. What can't be written is tried again. Thread-safe.
class NodeWriter : public std::enable_shared_from_this<NodeWriter> {
 public:
    NodeWriter(std::unique_ptr<NodeStore> store, runtime::Scheduler& scheduler)
        : store_(std::move(store)), scheduler_(scheduler) {}

    // Never blocks.
    void Put(NodeStatusPtr node);

    // Writes what is left and returns when everything that was put is stored, or failed once more.
    void Flush();

 private:
    // Writes until nothing waits. Only whoever set `writing_` comes here.
    void WriteAll();
    void WriteLater();

    const std::unique_ptr<NodeStore> store_;
    runtime::Scheduler& scheduler_;
    absl::Mutex mutex_;
    // By node ID.
    std::map<std::string, NodeStatusPtr> waiting_ ABSL_GUARDED_BY(mutex_);
    bool writing_ ABSL_GUARDED_BY(mutex_) = false;
    std::unique_ptr<runtime::Timer> retry_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::registry

#endif  // PROVHUB_MAINNODE_REGISTRY_NODE_WRITER_H_
