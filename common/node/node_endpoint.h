// A node that can be asked to do something: this one, or one at the far end of a stream.
#ifndef PROVHUB_COMMON_NODE_NODE_ENDPOINT_H_
#define PROVHUB_COMMON_NODE_NODE_ENDPOINT_H_

#include <stop_token>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "iamanager/v6/iamanager.pb.h"

namespace provhub::node {

// The stream's envelopes serve as the one form of request and reply, so that a request is the same whether it is
// handled here or forwarded. Of the envelope's own fields (100 and above) an endpoint sets and reads none for its
// caller.
using Request = iamanager::v6::IAMIncomingMessages;
using Reply = iamanager::v6::IAMOutgoingMessages;

struct CallContext {
    // Joins the log lines of one operation on all nodes.
    std::string operation_id;
    // Who asks, for the audit log; empty where that is not known. Stays on this node.
    std::string caller = {};
    // When the caller stops waiting; may be infinite.
    absl::Time deadline = absl::InfiniteFuture();
    // Stop is requested when the caller has gone.
    std::stop_token cancelled = {};
};

// What became of the call. OK: the node carried the operation out, well or not (then the reply has `error`). Otherwise
// the call could not be carried:
//   NotFound            no such node
//   Unavailable         not sent to the node, safe to repeat
//   Aborted             sent, outcome unknown (the connection ended)
//   DeadlineExceeded    the time is up; the message says whether it was sent
//   Cancelled           the caller has gone
//   ResourceExhausted   too many calls wait for this node
//   FailedPrecondition  the node refuses it in its present state or mode (only for a reply that has no `error` field)
using Outcome = absl::StatusOr<Reply>;
using Done = absl::AnyInvocable<void(Outcome)>;

class NodeEndpoint {
 public:
    virtual ~NodeEndpoint() = default;

    // Never blocks. `done` runs exactly once, on any thread, possibly before this returns.
    virtual void Call(Request request, CallContext context, Done done) = 0;
};

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_NODE_ENDPOINT_H_
