// The one dispatcher of the operations on this node, whether asked for here or through the main node.
#ifndef PROVHUB_COMMON_NODE_NODE_OPERATIONS_H_
#define PROVHUB_COMMON_NODE_NODE_OPERATIONS_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/cert/cert_handler.h"
#include "common/node/current_node.h"
#include "common/node/method_table.h"
#include "common/node/node_endpoint.h"
#include "common/node/operation_call.h"
#include "common/node/operation_gate.h"
#include "common/provisioning/password_gate.h"
#include "common/provisioning/provision_manager.h"
#include "common/runtime/scheduler.h"

namespace provhub::node {

// Checks each call against the method table (mode, state), lets it in by its turn, and runs it on a thread that may
// block. What goes wrong is in the reply's `error` where it has one, naming the node and the call, and logged once.
//
// A caller is answered at the context's deadline, or after `limit` where that is infinite, even while the work goes on;
// and when it has gone before the work began, which then does not begin.
class NodeOperations final : public NodeEndpoint {
 public:
    struct Parts {
        CurrentNode& node;
        cert::CertHandler& certificates;
        provisioning::PasswordGate& password_gate;
        provisioning::ProvisionManager& provisioning;
        runtime::Scheduler& scheduler;
        bool provisioning_mode;
        absl::Duration limit;
    };

    // How many calls may be under way or wait at once; the next one gets ResourceExhausted.
    static constexpr std::size_t kMaxCalls = 256;

    // Everything in `parts` MUST outlive this object.
    explicit NodeOperations(Parts parts)
        : parts_(parts), in_repair_(parts.provisioning_mode && parts.node.state() != NodeState::kUnprovisioned) {}
    // Answers every caller (Unavailable what has not begun, Aborted what has), then waits for the work that runs.
    ~NodeOperations() override;

    void Call(Request request, CallContext context, Done done) override;

 private:
    using Handler = absl::StatusOr<Reply> (NodeOperations::*)(const OperationCall& call);
    struct HandlerRow {
        Request::IAMIncomingMessageCase request_case;
        Handler handler;
    };
    // In the order of the method table.
    static const HandlerRow kHandlers[];

    // FailedPrecondition where the table does not allow the method in this mode or state.
    absl::Status CheckAllowed(const Method& method) const;
    Claim ClaimOf(const Method& method, const Request& request) const;
    void Admit(std::shared_ptr<OperationCall> call);
    // On a thread that may block.
    void Run(OperationCall& call);
    absl::StatusOr<Reply> Work(const OperationCall& call);
    void Forget(const std::shared_ptr<OperationCall>& call);

    absl::StatusOr<Reply> StartProvisioning(const OperationCall& call);
    absl::StatusOr<Reply> GetCertTypes(const OperationCall& call);
    absl::StatusOr<Reply> FinishProvisioning(const OperationCall& call);
    absl::StatusOr<Reply> Deprovision(const OperationCall& call);
    absl::StatusOr<Reply> PauseNode(const OperationCall& call);
    absl::StatusOr<Reply> ResumeNode(const OperationCall& call);
    absl::StatusOr<Reply> CreateKey(const OperationCall& call);
    absl::StatusOr<Reply> ApplyCert(const OperationCall& call);
    absl::StatusOr<Reply> ListCertificates(const OperationCall& call);

    const Parts parts_;
    // The node had been provisioned before it was started in provisioning mode, and has not been deprovisioned since.
    std::atomic<bool> in_repair_;
    OperationGate gate_;
    absl::Mutex mutex_;
    bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
    // From their arrival to the end of their work.
    std::set<std::shared_ptr<OperationCall>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_NODE_OPERATIONS_H_
