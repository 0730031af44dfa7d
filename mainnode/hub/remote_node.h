// A secondary node as the main node sees it, connected or not.
#ifndef PROVHUB_MAINNODE_HUB_REMOTE_NODE_H_
#define PROVHUB_MAINNODE_HUB_REMOTE_NODE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/node/node_endpoint.h"
#include "common/service/call_gate.h"
#include "mainnode/hub/pending_calls.h"
#include "mainnode/hub/stream_policy.h"

namespace provhub::hub {

// A stream that wants to carry the calls of a node.
struct StreamOffer {
    std::shared_ptr<service::OpenCall> stream;
    Dialect dialect = Dialect::kCorrelated;
    StreamTrust trust = StreamTrust::kUnproven;
    // The node asks that its older stream may bring the answers to what was sent over it.
    bool handover = false;
    StreamEvents events;
};

// Joins the node's calls with the stream that carries them. Of several streams the one with the highest generation
// carries; the others are ended, after a handover only when they have brought their answers. A stream whose node is
// unproven never takes the place of a proven one. Thread-safe.
class RemoteNode final : public node::NodeEndpoint {
 public:
    // Streams that bring answers after a handover, at a time.
    static constexpr std::size_t kMaxHandedOver = 4;

    RemoteNode(std::string node_id, std::shared_ptr<PendingCalls> calls)
        : node_id_(std::move(node_id)), calls_(std::move(calls)) {}

    const std::string& node_id() const { return node_id_; }
    std::size_t pending_calls() const { return calls_->size(); }

    void Call(node::Request request, node::CallContext context, node::Done done) override;

    // Gives a new stream its generation, higher than that of every stream before. Detach MUST follow.
    // PermissionDenied: a proven stream is there and this one isn't.
    absl::StatusOr<std::uint64_t> Reserve(const StreamOffer& offer);
    // Aborted when a newer stream is attached; otherwise this one carries the calls, by PendingCalls::Attach.
    absl::Status Attach(std::uint64_t generation, const StreamOffer& offer);
    void Detach(std::uint64_t generation);

    std::optional<PendingCalls::Outgoing> NextWrite(std::uint64_t generation) { return calls_->NextWrite(generation); }
    absl::Status OnReply(std::uint64_t generation, node::Reply reply) {
        return calls_->OnReply(generation, std::move(reply));
    }

 private:
    struct Stream {
        std::weak_ptr<service::OpenCall> call;
        Dialect dialect;
        StreamTrust trust;
    };

    // Whether the streams before this one may be handed over to it.
    bool CanHandOver(std::uint64_t generation, const StreamOffer& offer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
    // Those that have to end now that this one is attached.
    std::vector<std::shared_ptr<service::OpenCall>> Superseded(std::uint64_t generation, Takeover takeover)
        ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

    const std::string node_id_;
    const std::shared_ptr<PendingCalls> calls_;
    absl::Mutex mutex_;
    std::uint64_t last_generation_ ABSL_GUARDED_BY(mutex_) = 0;
    // Those that have not ended, by their generation.
    std::map<std::uint64_t, Stream> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_REMOTE_NODE_H_
