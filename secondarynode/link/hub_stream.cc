#include "secondarynode/link/hub_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/runtime/log.h"
#include "common/status/status.h"
#include "secondarynode/link/join_secrets.h"

namespace provhub::link {
namespace {

constexpr runtime::Log kLog("link");

// Announces that this node understands request_id, timeout_ms, operation_id and cancel in the envelope.
constexpr char kProtocolKey[] = "provhub-protocol";
constexpr char kProtocolVersion[] = "1";
constexpr char kHandoverKey[] = "provhub-handover";
constexpr char kHandover[] = "1";

// From the last message to the status of the stream.
constexpr absl::Duration kEndGrace = absl::Milliseconds(500);

}  // namespace

HubStream::HubStream(const HubChannel& channel, bool handover, Callbacks callbacks, runtime::Scheduler& scheduler)
    : stub_(iamanager::v6::IAMPublicNodesService::NewStub(channel.channel)),
      callbacks_(std::move(callbacks)),
      scheduler_(scheduler) {
    context_.AddMetadata(kProtocolKey, kProtocolVersion);
    if (handover) {
        context_.AddMetadata(kHandoverKey, kHandover);
    }
    for (const auto& [key, value] : channel.metadata) {
        context_.AddMetadata(key, value);
    }
}

std::shared_ptr<HubStream> HubStream::Create(const HubChannel& channel, bool handover, Callbacks callbacks,
                                             node::NodeEndpoint& operations, runtime::Scheduler& scheduler,
                                             absl::Duration time_limit) {
    std::shared_ptr<HubStream> stream(new HubStream(channel, handover, std::move(callbacks), scheduler));
    stream->requests_ =
        std::make_shared<StreamRequests>(operations, scheduler, absl::StrCat("main node ", channel.where), time_limit,
                                         [weak = std::weak_ptr<HubStream>(stream)](node::Reply reply) {
                                             if (const auto receiver = weak.lock()) {
                                                 receiver->Send(std::move(reply));
                                             }
                                         });
    return stream;
}

void HubStream::Start() {
    self_ = shared_from_this();
    stub_->async()->RegisterNode(&context_, this);
    AddHold();
    StartRead(&incoming_);
    {
        absl::MutexLock lock(&mutex_);
        writing_ = false;
    }
    WriteNext();
    StartCall();
}

void HubStream::NodeChanged() {
    {
        absl::MutexLock lock(&mutex_);
        node_info_due_ = true;
    }
    WriteNext();
}

void HubStream::Drain() {
    {
        absl::MutexLock lock(&mutex_);
        if (!opened_) {
            context_.TryCancel();
            return;
        }
    }
    requests_->Refuse(
        absl::UnavailableError("the node is shutting down and has not begun the request; repeat it later"),
        [weak = weak_from_this()] {
            if (const auto stream = weak.lock()) {
                stream->HalfClose();
            }
        });
}

void HubStream::Cancel() {
    context_.TryCancel();
}

void HubStream::HalfClose() {
    {
        absl::MutexLock lock(&mutex_);
        half_close_due_ = true;
    }
    WriteNext();
}

void HubStream::Send(node::Reply reply) {
    bool overflow = false;
    {
        absl::MutexLock lock(&mutex_);
        if (over_ || half_closed_) {
            return;
        }
        overflow = queue_.size() >= kMaxQueued;
        if (!overflow) {
            queue_.push_back(std::move(reply));
        }
    }
    if (overflow) {
        kLog.Warning(absl::StrCat("the main node leaves ", kMaxQueued, " answers unread; ending the connection"));
        context_.TryCancel();
        return;
    }
    WriteNext();
}

void HubStream::WriteNext() {
    enum class Next { kNodeInfo, kAnswer, kHalfClose } next;
    grpc::WriteOptions options;
    {
        absl::MutexLock lock(&mutex_);
        if (writing_ || over_ || half_closed_) {
            return;
        }
        if (node_info_due_) {
            next = Next::kNodeInfo;
            node_info_due_ = false;
        } else if (!queue_.empty()) {
            next = Next::kAnswer;
            outgoing_ = std::move(queue_.front());
            queue_.pop_front();
        } else if (half_close_due_) {
            next = Next::kHalfClose;
            half_closed_ = true;
        } else {
            return;
        }
        writing_ = true;
        if (!queue_.empty()) {
            options.set_buffer_hint();
        }
    }
    if (next == Next::kHalfClose) {
        StartWritesDone();
        return;
    }
    if (next == Next::kNodeInfo) {
        outgoing_.Clear();
        *outgoing_.mutable_node_info() = callbacks_.describe();
    }
    StartWrite(&outgoing_, options);
}

void HubStream::WriteEnded() {
    bool over;
    {
        absl::MutexLock lock(&mutex_);
        writing_ = false;
        over = over_;
    }
    if (over) {
        RemoveHold();
        return;
    }
    WriteNext();
}

bool HubStream::IsFirst(bool HubStream::*told) {
    absl::MutexLock lock(&mutex_);
    return !std::exchange(this->*told, true);
}

void HubStream::OnReadInitialMetadataDone(bool ok) {
    if (ok && IsFirst(&HubStream::admitted_)) {
        const auto& metadata = context_.GetServerInitialMetadata();
        const auto secret = metadata.find(kRejoinSecretKey);
        callbacks_.admitted(secret == metadata.end() ? "" : std::string(secret->second.data(), secret->second.size()));
    }
}

void HubStream::OnReadDone(bool ok) {
    if (ok) {
        requests_->Take(std::move(incoming_));
        StartRead(&incoming_);
        return;
    }
    bool writing;
    {
        absl::MutexLock lock(&mutex_);
        over_ = true;
        queue_.clear();
        writing = writing_;
        cut_ = scheduler_.After(kEndGrace, [weak = weak_from_this()] {
            if (const auto stream = weak.lock()) {
                stream->Cancel();
            }
        });
    }
    if (!writing) {
        RemoveHold();
    }
}

void HubStream::OnWriteDone(bool ok) {
    if (ok && IsFirst(&HubStream::opened_)) {
        callbacks_.opened();
    }
    WriteEnded();
}

void HubStream::OnWritesDoneDone(bool) {
    WriteEnded();
}

void HubStream::OnDone(const grpc::Status& status) {
    {
        absl::MutexLock lock(&mutex_);
        cut_ = nullptr;
    }
    requests_->Abandon();
    // Whoever takes the stream may destroy it before the call returns.
    const auto ended = callbacks_.ended;
    ended(std::move(self_), status::FromGrpc(status));
}

}  // namespace provhub::link
