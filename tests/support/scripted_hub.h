// A main node whose side of RegisterNode the test plays.
#ifndef PROVHUB_TESTS_SUPPORT_SCRIPTED_HUB_H_
#define PROVHUB_TESTS_SUPPORT_SCRIPTED_HUB_H_

#include <grpcpp/server.h>
#include <grpcpp/support/status.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/node/node_endpoint.h"
#include "iamanager/v6/iamanager.grpc.pb.h"

namespace provhub::test {

// The hub's end of one stream. Thread-safe. May be used, to no effect, after the stream is over.
class HubEnd {
 public:
    virtual ~HubEnd() = default;

    // Sends initial metadata, with which a hub says that it has admitted the node.
    virtual void Admit() = 0;
    // The next message of the node; nothing when the node has ended its side or `limit` has passed.
    virtual std::optional<node::Reply> Receive(absl::Duration limit = absl::Seconds(10)) = 0;
    virtual void Send(node::Request request) = 0;
    // Ends the stream when what was sent before is written.
    virtual void End(const grpc::Status& status) = 0;
    // No more messages come from the node. False after `limit`.
    virtual bool WaitUntilNodeEnded(absl::Duration limit = absl::Seconds(10)) = 0;
    // Metadata that the node sent; empty when absent.
    virtual std::string Metadata(const std::string& key) const = 0;
};

class ScriptedHub final : private iamanager::v6::IAMPublicNodesService::CallbackService {
 public:
    // Serves plaintext on `port` of the loopback interface; 0: one that is free.
    explicit ScriptedHub(int port = 0);
    // Cuts what is open.
    ~ScriptedHub() override;

    int port() const { return port_; }
    std::string address() const;

    // From now on every new stream is ended at once with `status`, or, with none, is not.
    void Refuse(std::optional<grpc::Status> status);

    // The next stream that a node opens; null after `limit`.
    std::shared_ptr<HubEnd> Accept(absl::Duration limit = absl::Seconds(10));

 private:
    class Stream;

    grpc::ServerBidiReactor<node::Reply, node::Request>* RegisterNode(grpc::CallbackServerContext* context) override;

    absl::Mutex mutex_;
    std::optional<grpc::Status> refusal_ ABSL_GUARDED_BY(mutex_);
    std::deque<std::shared_ptr<HubEnd>> streams_ ABSL_GUARDED_BY(mutex_);
    int port_ = 0;
    std::unique_ptr<grpc::Server> server_;
};

// A port of the loopback interface on which nobody listens, for a server that starts later.
int UnusedPort();

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_SCRIPTED_HUB_H_
