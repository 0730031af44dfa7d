#include "mainnode/hub/remote_node.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

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

absl::StatusOr<std::uint64_t> RemoteNode::Reserve(const StreamOffer& offer) {
    absl::MutexLock lock(&mutex_);
    const bool proven_is_there =
        std::ranges::any_of(streams_, [](const auto& item) { return item.second.trust == StreamTrust::kProven; });
    if (proven_is_there && offer.trust == StreamTrust::kUnproven) {
        return absl::PermissionDeniedError(absl::StrCat(
            "node '", node_id_,
            "' is connected by a stream that proves its identity, which one without proof cannot replace"));
    }
    streams_.emplace(++last_generation_, Stream{offer.stream, offer.dialect, offer.trust});
    return last_generation_;
}

absl::Status RemoteNode::Attach(std::uint64_t generation, const StreamOffer& offer) {
    Takeover takeover = Takeover::kFence;
    {
        absl::MutexLock lock(&mutex_);
        if (CanHandOver(generation, offer)) {
            takeover = Takeover::kHandover;
        }
    }
    if (!calls_->Attach(generation, offer.dialect, offer.events, takeover)) {
        return Replaced();
    }
    std::vector<std::shared_ptr<service::OpenCall>> superseded;
    {
        absl::MutexLock lock(&mutex_);
        superseded = Superseded(generation, takeover);
    }
    for (const auto& stream : superseded) {
        stream->Stop(Replaced());
    }
    return absl::OkStatus();
}

void RemoteNode::Detach(std::uint64_t generation) {
    {
        absl::MutexLock lock(&mutex_);
        streams_.erase(generation);
    }
    calls_->Detach(generation);
}

bool RemoteNode::CanHandOver(std::uint64_t generation, const StreamOffer& offer) {
    const auto qualifies = [](const auto& stream) {
        return stream.trust == StreamTrust::kProven && stream.dialect == Dialect::kCorrelated;
    };
    return offer.handover && qualifies(offer) && std::ranges::all_of(streams_, [&](const auto& item) {
               return item.first >= generation || qualifies(item.second);
           });
}

std::vector<std::shared_ptr<service::OpenCall>> RemoteNode::Superseded(std::uint64_t generation, Takeover takeover) {
    const auto end = streams_.lower_bound(generation);
    auto spared = end;
    if (takeover == Takeover::kHandover) {
        for (std::size_t i = 0; i < kMaxHandedOver && spared != streams_.begin(); ++i) {
            --spared;
        }
    }
    std::vector<std::shared_ptr<service::OpenCall>> superseded;
    for (auto older = streams_.begin(); older != spared; ++older) {
        if (auto call = older->second.call.lock()) {
            superseded.push_back(std::move(call));
        }
    }
    return superseded;
}

}  // namespace provhub::hub
