// One RegisterNode stream to the main node.
#ifndef PROVHUB_SECONDARYNODE_LINK_HUB_STREAM_H_
#define PROVHUB_SECONDARYNODE_LINK_HUB_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "secondarynode/link/hub_link.h"
#include "secondarynode/link/stream_requests.h"

namespace provhub::link {

// Sends NodeInfo first, and again after every change and before the answers that come after that change; takes requests
// and sends their answers. One message is being written at any time, the others queue.
//
// Thread-safe. Owns itself from Start until it is handed to Callbacks::ended.
class HubStream final : public grpc::ClientBidiReactor<node::Reply, node::Request>,
                        public std::enable_shared_from_this<HubStream> {
 public:
    // Answers that a main node leaves unread beyond this number end the stream.
    static constexpr std::size_t kMaxQueued = 8192;

    struct Callbacks {
        // NodeInfo as it is now. Called from any thread, one call at a time.
        std::function<iamanager::v6::NodeInfo()> describe;
        // Once at most: NodeInfo has been handed to a connection. Main nodes of other make never say more.
        std::function<void()> opened;
        // Once at most: the main node has admitted this node, and given it this rejoin secret; empty: none.
        std::function<void(const std::string& rejoin_secret)> admitted;
        // Exactly once after Start, as the last call of all, in a callback of gRPC. The stream is handed over and MUST
        // be let go of elsewhere: with the last channel of a process go gRPC's threads, which cannot join themselves.
        std::function<void(std::shared_ptr<HubStream>, const absl::Status&)> ended;
    };

    // `operations` and `scheduler` MUST outlive the stream; `time_limit` is for requests that do not say how long their
    // caller waits. `handover`: the stream takes over from another one of this node.
    static std::shared_ptr<HubStream> Create(const HubChannel& channel, bool handover, Callbacks callbacks,
                                             node::NodeEndpoint& operations, runtime::Scheduler& scheduler,
                                             absl::Duration time_limit);

    // MUST be called exactly once.
    void Start();

    // NodeInfo has changed.
    void NodeChanged();

    // Takes no new requests, and ends the stream in order when the open ones are answered. A stream that isn't
    // connected yet ends at once. MUST be called once at most.
    void Drain();

    // Ends the stream at once. Allowed before Start, which then ends at once.
    void Cancel();

 private:
    HubStream(const HubChannel& channel, bool handover, Callbacks callbacks, runtime::Scheduler& scheduler);

    void OnReadInitialMetadataDone(bool ok) override;
    void OnReadDone(bool ok) override;
    void OnWriteDone(bool ok) override;
    void OnWritesDoneDone(bool ok) override;
    void OnDone(const grpc::Status& status) override;

    void Send(node::Reply reply);
    // Writes what is due unless a write is under way.
    void WriteNext();
    void WriteEnded();
    void HalfClose();
    // True for the first caller only.
    bool IsFirst(bool HubStream::*told);

    const std::unique_ptr<iamanager::v6::IAMPublicNodesService::Stub> stub_;
    const Callbacks callbacks_;
    runtime::Scheduler& scheduler_;
    grpc::ClientContext context_;
    std::shared_ptr<StreamRequests> requests_;
    // Set while gRPC may call.
    std::shared_ptr<HubStream> self_;
    // Belongs to the one read, and to the one write, that is under way.
    node::Request incoming_;
    node::Reply outgoing_;

    absl::Mutex mutex_;
    std::deque<node::Reply> queue_ ABSL_GUARDED_BY(mutex_);
    bool node_info_due_ ABSL_GUARDED_BY(mutex_) = true;
    // Also before Start, when nothing can be written.
    bool writing_ ABSL_GUARDED_BY(mutex_) = true;
    // Half-close when the queue is empty, and that this was done.
    bool half_close_due_ ABSL_GUARDED_BY(mutex_) = false;
    bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
    bool opened_ ABSL_GUARDED_BY(mutex_) = false;
    bool admitted_ ABSL_GUARDED_BY(mutex_) = false;
    // The main node has ended the stream, or it broke: nothing is written any more. The hold that allows writing from
    // outside of gRPC's callbacks is given back as soon as this is set and no write is under way.
    bool over_ ABSL_GUARDED_BY(mutex_) = false;
    // Armed when over_ is set: a message that could not be read leaves the stream itself open.
    std::unique_ptr<runtime::Timer> cut_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::link

#endif  // PROVHUB_SECONDARYNODE_LINK_HUB_STREAM_H_
