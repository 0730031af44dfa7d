#include "mainnode/hub/node_router.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace provhub::hub {

using node::CallContext;
using node::Done;
using node::Method;
using node::Request;

void NodeRouter::Call(Request request, CallContext context, Done done) {
    const Method* method = node::FindByRequest(request.IAMIncomingMessage_case());
    if (method == nullptr) {
        done(absl::UnimplementedError("the request is none that a node can be asked"));
        return;
    }
    if (request.has_create_key_request() && request.create_key_request().subject().empty()) {
        scheduler_.Post([this, method, request = std::move(request), context = std::move(context),
                         done = std::move(done)]() mutable {
            RouteWithSystemId(*method, std::move(request), std::move(context), std::move(done));
        });
        return;
    }
    Route(*method, std::move(request), std::move(context), std::move(done));
}

void NodeRouter::RouteWithSystemId(const Method& method, Request request, CallContext context, Done done) {
    const auto system = identity_.System();
    if (!system.ok()) {
        done(absl::InvalidArgumentError(
            absl::StrCat("CreateKey without a subject asks for the unit's system ID, which is not to be had: ",
                         system.status().message(), "; configure `identifier` or name a subject")));
        return;
    }
    request.mutable_create_key_request()->set_subject(system->system_id);
    Route(method, std::move(request), std::move(context), std::move(done));
}

void NodeRouter::Route(const Method& method, Request request, CallContext context, Done done) {
    const std::string node_id(node::NodeId(request));
    const absl::Time now = scheduler_.Now();
    if (node_id.empty() || node_id == options_.own_id) {
        node::SetNodeId(request, options_.own_id);
        context.deadline = std::min(context.deadline, now + options_.local_limit);
        local_.Call(std::move(request), std::move(context), std::move(done));
        return;
    }
    const auto remote = nodes_.Find(node_id);
    if (!remote.ok()) {
        done(remote.status());
        return;
    }
    const bool node_state = method.timeout_class == node::TimeoutClass::kNodeState;
    const absl::Duration limit = node_state ? options_.forward_node_state_limit : options_.forward_limit;
    context.deadline = std::min(context.deadline, now + limit);
    (*remote)->Call(std::move(request), std::move(context), std::move(done));
}

}  // namespace provhub::hub
