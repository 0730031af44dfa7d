// A secondary node as the main node sees it, connected or not.
#ifndef PROVHUB_MAINNODE_HUB_REMOTE_NODE_H_
#define PROVHUB_MAINNODE_HUB_REMOTE_NODE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/node/node_endpoint.h"
#include "common/service/call_gate.h"
#include "mainnode/hub/pending_calls.h"

namespace provhub::hub {

// Joins the node's calls with the stream that carries them. Of several streams the one with the highest generation
// carries, the others are ended. Thread-safe.
class RemoteNode final : public node::NodeEndpoint {
 public:
    RemoteNode(std::string node_id, std::shared_ptr<PendingCalls> calls)
        : node_id_(std::move(node_id)), calls_(std::move(calls)) {}

    const std::string& node_id() const { return node_id_; }
    std::size_t pending_calls() const { return calls_->size(); }

    void Call(node::Request request, node::CallContext context, node::Done done) override;

    // Aborted when a newer stream is there; otherwise PendingCalls::Attach, and the stream before it is stopped.
    absl::Status Attach(std::uint64_t generation, const std::shared_ptr<service::OpenCall>& stream, Dialect dialect,
                        std::function<void()> wake);
    void Detach(std::uint64_t generation) { calls_->Detach(generation); }

    std::optional<PendingCalls::Outgoing> NextWrite(std::uint64_t generation) { return calls_->NextWrite(generation); }
    absl::Status OnReply(std::uint64_t generation, node::Reply reply) {
        return calls_->OnReply(generation, std::move(reply));
    }

 private:
    const std::string node_id_;
    const std::shared_ptr<PendingCalls> calls_;
    absl::Mutex mutex_;
    std::uint64_t stream_generation_ ABSL_GUARDED_BY(mutex_) = 0;
    std::weak_ptr<service::OpenCall> stream_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_REMOTE_NODE_H_
