// One RegisterNode stream.
#ifndef PROVHUB_MAINNODE_HUB_NODE_SESSION_H_
#define PROVHUB_MAINNODE_HUB_NODE_SESSION_H_

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/node_endpoint.h"
#include "common/runtime/scheduler.h"
#include "common/service/call_gate.h"
#include "mainnode/hub/session_table.h"

namespace provhub::hub {

struct SessionOptions {
    // How long a new stream may take to say which node it is.
    absl::Duration hello_timeout = absl::Seconds(10);
    // How many streams may be at that stage.
    std::size_t max_hellos = 256;
    // How long a stream may take to end before it is cut off.
    absl::Duration finish_timeout = absl::Seconds(2);
};

// What the sessions share.
struct SessionEnvironment {
    SessionTable& table;
    // Counts the streams.
    service::CallGate& gate;
    runtime::Scheduler& scheduler;
    SessionOptions options;
    // Streams that have not said yet which node they are.
    std::atomic<std::size_t> hellos = 0;
};

// Owns itself until gRPC is done with it. Moves messages between the stream and the node's PendingCalls; one write is
// in flight at a time, and Finish waits for it.
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
    void Admit();
    // An error ends the stream.
    absl::Status Take(node::Reply message);
    void ReadNext();
    // Called with the right to write.
    void WriteNext();
    // Ends the stream with `reason`; the first one counts.
    void End(const absl::Status& reason);
    void FinishUnlessWriting();
    void CutOff();

    SessionEnvironment& environment_;
    const Dialect dialect_;
    // For people.
    const std::string peer_;
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
    bool writing_ ABSL_GUARDED_BY(mutex_) = false;
    bool finished_ ABSL_GUARDED_BY(mutex_) = false;
    std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
    // The hello's time limit, later that of the end.
    std::unique_ptr<runtime::Timer> timer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::hub

#endif  // PROVHUB_MAINNODE_HUB_NODE_SESSION_H_
