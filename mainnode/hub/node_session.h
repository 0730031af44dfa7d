// One RegisterNode stream.
#ifndef PROVHUB_MAINNODE_HUB_NODE_SESSION_H_
#define PROVHUB_MAINNODE_HUB_NODE_SESSION_H_

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"
#include "common/service/call_gate.h"
#include "common/service/caller.h"
#include "common/service/refusal.h"
#include "mainnode/hub/session_table.h"
#include "mainnode/join/join_tokens.h"

namespace provhub::hub {

struct SessionOptions {
    // The main node's.
    bool provisioning_mode = false;
    // Of nodes that no certificate vouches for.
    bool require_join_token = false;
    // What streams carry can be read on the way: no join token is accepted, and one that comes is spent.
    bool plaintext = false;
    // How many streams of such nodes there may be in normal mode.
    std::size_t max_unproven = 256;
    // How long a new stream may take to say which node it is.
    absl::Duration hello_timeout = absl::Seconds(10);
    // How many streams may be at that stage.
    std::size_t max_hellos = 256;
    // How long a stream may take to end before it is cut off.
    absl::Duration finish_timeout = absl::Seconds(2);
    // Who opens a stream.
    std::function<service::Caller(const grpc::CallbackServerContext&)> caller_of =
        [](const grpc::CallbackServerContext& context) { return service::CallerOf(context); };
    // Told from any thread of streams that are not let in.
    service::RefusalListener on_refused = [](const service::Refusal&, absl::AnyInvocable<void()> done) { done(); };
};

// What the sessions share.
struct SessionEnvironment {
    SessionTable& table;
    // Counts the streams.
    service::CallGate& gate;
    join::JoinTokens& tokens;
    runtime::Scheduler& scheduler;
    SessionOptions options;
    // Streams that have not said yet which node they are.
    std::atomic<std::size_t> hellos = 0;
    // Streams of nodes that no certificate vouches for, in normal mode.
    std::atomic<std::size_t> unproven = 0;
};

// Owns itself until gRPC is done with it. Moves messages between the stream and the node's PendingCalls; one write is
// in flight at a time, and Finish waits for it, as it does for the join token to be looked at.
class NodeSession final : public grpc::ServerBidiReactor<node::Reply, node::Request>,
                          public service::OpenCall,
                          public std::enable_shared_from_this<NodeSession> {
 public:
    // `environment` MUST outlive the server.
    static grpc::ServerBidiReactor<node::Reply, node::Request>* Open(SessionEnvironment& environment,
                                                                     grpc::CallbackServerContext* context);
    ~NodeSession() override;

    void Stop(const absl::Status& reason) override { End(reason); }

    void OnReadDone(bool ok) override;
    void OnWriteDone(bool ok) override;
    void OnCancel() override;
    void OnDone() override;

 private:
    NodeSession(SessionEnvironment& environment, grpc::CallbackServerContext* context);

    void Start();
    // Looks at the first message.
    void Admit();
    // Looks at the join token where one is asked for, on a thread that may block on the disk, then goes on with Enter.
    void Redeem(StreamTrust trust);
    bool ShowsToken();
    // Of a stream that can be read on the way.
    absl::Status SpendToken(const join::Presented& presented);
    // `rejoin_secret` is for the node; empty: none.
    void Enter(StreamTrust trust, const std::string& rejoin_secret);
    // Counts this stream where it is to be counted.
    absl::Status TakeUnprovenPlace(StreamTrust trust);
    void Refuse(const absl::Status& reason);
    // An error ends the stream.
    absl::Status Take(node::Reply message);
    void ReadNext();
    // Called with the right to write.
    void WriteNext();
    // Ends the stream with `reason`; the first one counts. `why` is for the log; empty: the reason says it.
    void End(const absl::Status& reason, absl::string_view why = "");
    // A newer stream carries the calls, and this one has brought its answers.
    void EndDrained();
    void FinishUnlessBusy();
    void CutOff();

    SessionEnvironment& environment_;
    const Dialect dialect_;
    const bool handover_;
    const service::Caller caller_;
    std::shared_ptr<NodeSession> self_;
    // Owned by the read, or the write, that is in flight.
    node::Reply incoming_;
    node::Request outgoing_;

    // Held over the start of a read and of the initial metadata, which do not block, so that none begins after Finish.
    absl::Mutex mutex_;
    // Null once gRPC is done with the stream.
    grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mutex_);
    std::optional<SessionTable::Admission> admission_ ABSL_GUARDED_BY(mutex_);
    bool counted_as_hello_ ABSL_GUARDED_BY(mutex_) = false;
    bool counted_as_unproven_ ABSL_GUARDED_BY(mutex_) = false;
    bool writing_ ABSL_GUARDED_BY(mutex_) = false;
    bool redeeming_ ABSL_GUARDED_BY(mutex_) = false;
    // on_refused has been told, and tells.
    bool refused_ ABSL_GUARDED_BY(mutex_) = false;
    bool finished_ ABSL_GUARDED_BY(mutex_) = false;
    std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
    // The hello's time limit, later that of the end.
    std::unique_ptr<runtime::Timer> timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_NODE_SESSION_H_
