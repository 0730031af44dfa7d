// Every operation that can be asked of a node, described once.
#ifndef PROVHUB_COMMON_NODE_METHOD_TABLE_H_
#define PROVHUB_COMMON_NODE_METHOD_TABLE_H_

#include <span>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/node/node_endpoint.h"
#include "common/node/node_state.h"

namespace provhub::node {

enum class TimeoutClass {
    // timeouts.forward when forwarded.
    kProvisioning,
    // timeouts.forwardNodeState when forwarded: what takes no time.
    kNodeState,
};

// Which calls of a node may run beside this one.
enum class Concurrency {
    // All.
    kAny,
    // All but kExclusive ones and those for the same certificate type.
    kPerType,
    // None but kAny.
    kExclusive,
};

// When provisioning mode (--provisioning) is asked for.
enum class ModeRule {
    kAny,
    // Not on a node that had been provisioned before it was started in provisioning mode: that one is being repaired.
    kNotInRepair,
    // In provisioning mode only.
    kProvisioning,
    // As kProvisioning while the node is unprovisioned; renewing works in any mode.
    kFirstEnrolment,
};

struct Method {
    absl::string_view name;
    Request::IAMIncomingMessageCase request_case;
    Reply::IAMOutgoingMessageCase reply_case;
    TimeoutClass timeout_class;
    Concurrency concurrency;
    ModeRule mode;
    // States in which the node takes the call.
    std::span<const NodeState> states;
};

// In the order of the request cases.
std::span<const Method> Methods();

// Null for a case that isn't in the table (a message of a newer peer).
const Method* FindByRequest(Request::IAMIncomingMessageCase request_case);
const Method* FindByReply(Reply::IAMOutgoingMessageCase reply_case);

// Whether the method is an addition of ours, which no peer of other make knows.
bool IsExtension(const Method& method);

// A reply to `method` without content.
Reply EmptyReply(const Method& method);

// The node_id inside the request of the envelope. Empty where no request is set.
absl::string_view NodeId(const Request& request);
void SetNodeId(Request& request, absl::string_view node_id);

// The certificate type inside the request; empty for requests without.
absl::string_view CertType(const Request& request);

// A reply to `method` that says `error`, or the status itself where that reply has no error field (GetCertTypes,
// ListCertificates).
Outcome ErrorReply(const Method& method, const absl::Status& error);

// What the reply says of the operation: OK, or its `error`.
absl::Status ReplyStatus(const Reply& reply);

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_METHOD_TABLE_H_
