#include "mainnode/hub/remote_node.h"

#include <utility>

namespace provhub::hub {
namespace {

absl::Status Replaced() {
    return absl::AbortedError("replaced by a newer stream");
}

}  // namespace

void RemoteNode::Call(node::Request request, node::CallContext context, node::Done done) {
    const node::Method* method = node::FindByRequest(request.IAMIncomingMessage_case());
    if (method == nullptr) {
        done(absl::UnimplementedError("the request is none that a node can be asked"));
        return;
    }
    calls_->Call(*method, std::move(request), std::move(context), std::move(done));
}

absl::Status RemoteNode::Attach(std::uint64_t generation, const std::shared_ptr<service::OpenCall>& stream,
                                Dialect dialect, std::function<void()> wake) {
    if (!calls_->Attach(generation, dialect, std::move(wake))) {
        return Replaced();
    }
    std::weak_ptr<service::OpenCall> older = stream;
    {
        absl::MutexLock lock(&mutex_);
        if (stream_generation_ < generation) {
            stream_generation_ = generation;
            stream_.swap(older);
        }
    }
    // This stream itself, where a newer one got here first.
    if (const auto superseded = older.lock()) {
        superseded->Stop(Replaced());
    }
    return absl::OkStatus();
}

}  // namespace provhub::hub
