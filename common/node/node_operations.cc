#include "common/node/node_operations.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/node/certificate_messages.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"

namespace provhub::node {
namespace {

constexpr runtime::Log kLog("node");

// What the contract has a response repeat of its request, with an error as well.
void Echo(const Request& request, const std::string& node_id, Reply& reply) {
    if (reply.has_create_key_response()) {
        reply.mutable_create_key_response()->set_node_id(node_id);
        reply.mutable_create_key_response()->set_type(request.create_key_request().type());
    } else if (reply.has_apply_cert_response()) {
        reply.mutable_apply_cert_response()->set_node_id(node_id);
    }
}

// "CreateKey(iam)"
std::string Title(const OperationCall& call) {
    const absl::string_view type = CertType(call.request());
    return type.empty() ? std::string(call.method().name) : absl::StrCat(call.method().name, "(", type, ")");
}

}  // namespace

const NodeOperations::HandlerRow NodeOperations::kHandlers[] = {
    {Request::kStartProvisioningRequest, &NodeOperations::StartProvisioning},
    {Request::kGetCertTypesRequest, &NodeOperations::GetCertTypes},
    {Request::kFinishProvisioningRequest, &NodeOperations::FinishProvisioning},
    {Request::kDeprovisionRequest, &NodeOperations::Deprovision},
    {Request::kPauseNodeRequest, &NodeOperations::PauseNode},
    {Request::kResumeNodeRequest, &NodeOperations::ResumeNode},
    {Request::kCreateKeyRequest, &NodeOperations::CreateKey},
    {Request::kApplyCertRequest, &NodeOperations::ApplyCert},
    {Request::kListCertificatesRequest, &NodeOperations::ListCertificates},
};

NodeOperations::~NodeOperations() {
    std::set<std::shared_ptr<OperationCall>> calls;
    {
        absl::MutexLock lock(&mutex_);
        stopping_ = true;
        calls = calls_;
    }
    for (const auto& call : calls) {
        call->GiveUp(absl::UnavailableError("the node is stopping, nothing was begun"),
                     absl::AbortedError("the node is stopping, the outcome is unknown"));
    }
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_.empty(); };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&idle));
}

void NodeOperations::Call(Request request, CallContext context, Done done) {
    const Method* method = FindByRequest(request.IAMIncomingMessage_case());
    if (method == nullptr) {
        done(absl::UnimplementedError("this node does not know the request"));
        return;
    }
    if (const auto node_id = NodeId(request); !node_id.empty() && node_id != parts_.node.id()) {
        done(absl::NotFoundError(
            absl::StrCat("there is no node '", node_id, "' here, this is '", parts_.node.id(), "'")));
        return;
    }
    if (context.deadline == absl::InfiniteFuture()) {
        context.deadline = parts_.scheduler.Now() + parts_.limit;
    }
    auto call = std::make_shared<OperationCall>(*method, std::move(request), std::move(context), std::move(done));
    absl::Status refused;
    {
        absl::MutexLock lock(&mutex_);
        if (stopping_) {
            refused = absl::UnavailableError("the node is stopping");
        } else if (calls_.size() >= kMaxCalls) {
            refused = absl::ResourceExhaustedError("too many calls wait for this node: try again later");
        } else {
            calls_.insert(call);
        }
    }
    if (!refused.ok()) {
        call->Answer(refused);
        return;
    }
    OperationCall::Watch(call, parts_.scheduler);
    Admit(std::move(call));
}

void NodeOperations::Admit(std::shared_ptr<OperationCall> call) {
    Claim claim = ClaimOf(call->method(), call->request());
    gate_.Enter(std::move(claim), [this, call = std::move(call)](OperationGate::Turn turn) mutable {
        parts_.scheduler.Post([this, call = std::move(call), turn = std::move(turn)]() mutable {
            if (call->Begin()) {
                Run(*call);
            } else {
                call->Answer(absl::CancelledError("the caller has gone, nothing was begun"));
            }
            turn.End();
            Forget(call);
        });
    });
}

void NodeOperations::Run(OperationCall& call) {
    auto reply = Work(call);
    const std::string title = Title(call);
    const std::string id = call.operation_id().empty() ? "" : absl::StrCat(" [", call.operation_id(), "]");
    if (reply.ok()) {
        kLog.Information(absl::StrCat(title, " done", id));
        call.Answer(*std::move(reply));
        return;
    }
    const absl::Status error = status::Annotate(reply.status(), absl::StrCat("node ", parts_.node.id(), ": ", title));
    kLog.Warning(absl::StrCat(error.message(), id));
    Outcome outcome = ErrorReply(call.method(), error);
    if (outcome.ok()) {
        Echo(call.request(), parts_.node.id(), *outcome);
    }
    call.Answer(std::move(outcome));
}

absl::StatusOr<Reply> NodeOperations::Work(const OperationCall& call) {
    RETURN_IF_ERROR(CheckAllowed(call.method()));
    const auto* row = std::ranges::find(kHandlers, call.method().request_case, &HandlerRow::request_case);
    if (row == std::end(kHandlers)) {
        return absl::UnimplementedError("this node does not know the request");
    }
    ASSIGN_OR_RETURN(Reply reply, (this->*row->handler)(call));
    Echo(call.request(), parts_.node.id(), reply);
    return reply;
}

void NodeOperations::Forget(const std::shared_ptr<OperationCall>& call) {
    absl::MutexLock lock(&mutex_);
    calls_.erase(call);
}

absl::Status NodeOperations::CheckAllowed(const Method& method) const {
    const NodeState state = parts_.node.state();
    if (std::ranges::find(method.states, state) == method.states.end()) {
        return absl::FailedPreconditionError(absl::StrCat(
            "the node is ", ToString(state), "; this is for a node that is ",
            absl::StrJoin(method.states, " or ",
                          [](std::string* out, NodeState allowed) { absl::StrAppend(out, ToString(allowed)); })));
    }
    if (method.mode == ModeRule::kNotInRepair && in_repair_) {
        return absl::FailedPreconditionError(
            "the node had been provisioned already when it was started with --provisioning: that is for Deprovision and "
            "for provisioning it again; restart it without --provisioning");
    }
    const bool needs_mode = method.mode == ModeRule::kProvisioning ||
                            (method.mode == ModeRule::kFirstEnrolment && state == NodeState::kUnprovisioned);
    if (needs_mode && !parts_.provisioning_mode) {
        return absl::FailedPreconditionError("the node is not in provisioning mode: start it with --provisioning");
    }
    return absl::OkStatus();
}

// ApplyCert shares the intermediate certificates of a token with the other types on it.
Claim NodeOperations::ClaimOf(const Method& method, const Request& request) const {
    Claim claim{method.concurrency, {}};
    if (method.concurrency == Concurrency::kPerType) {
        const absl::string_view type = CertType(request);
        claim.keys.push_back(absl::StrCat("type ", type));
        if (request.has_apply_cert_request()) {
            claim.keys.push_back(absl::StrCat("chains of token ", parts_.certificates.TokenName(type)));
        }
    }
    return claim;
}

absl::StatusOr<Reply> NodeOperations::StartProvisioning(const OperationCall& call) {
    RETURN_IF_ERROR(parts_.provisioning.Start(call.password(), call.deadline()));
    Reply reply;
    reply.mutable_start_provisioning_response();
    return reply;
}

absl::StatusOr<Reply> NodeOperations::GetCertTypes(const OperationCall&) {
    Reply reply;
    auto& types = *reply.mutable_cert_types_response()->mutable_types();
    for (const std::string& type : parts_.certificates.EnrolledTypes()) {
        types.Add(std::string(type));
    }
    return reply;
}

absl::StatusOr<Reply> NodeOperations::FinishProvisioning(const OperationCall& call) {
    RETURN_IF_ERROR(parts_.provisioning.Finish(call.password(), call.deadline()));
    Reply reply;
    reply.mutable_finish_provisioning_response();
    return reply;
}

absl::StatusOr<Reply> NodeOperations::Deprovision(const OperationCall& call) {
    RETURN_IF_ERROR(parts_.provisioning.Deprovision(call.password(), call.deadline()));
    in_repair_ = false;
    Reply reply;
    reply.mutable_deprovision_response();
    return reply;
}

absl::StatusOr<Reply> NodeOperations::PauseNode(const OperationCall&) {
    RETURN_IF_ERROR(parts_.provisioning.CheckEnrolling());
    RETURN_IF_ERROR(parts_.node.Move(NodeState::kPaused, Phase::kNone));
    Reply reply;
    reply.mutable_pause_node_response();
    return reply;
}

absl::StatusOr<Reply> NodeOperations::ResumeNode(const OperationCall&) {
    RETURN_IF_ERROR(parts_.provisioning.CheckEnrolling());
    RETURN_IF_ERROR(parts_.node.Move(NodeState::kProvisioned, Phase::kNone));
    Reply reply;
    reply.mutable_resume_node_response();
    return reply;
}

absl::StatusOr<Reply> NodeOperations::CreateKey(const OperationCall& call) {
    const auto& request = call.request().create_key_request();
    RETURN_IF_ERROR(provisioning::PasswordGate::CheckLength(call.password()));
    RETURN_IF_ERROR(parts_.provisioning.CheckEnrolling());
    RETURN_IF_ERROR(parts_.password_gate.Verify(call.password()));
    ASSIGN_OR_RETURN(std::string csr, parts_.certificates.CreateKey(request.type(), request.subject()));
    Reply reply;
    reply.mutable_create_key_response()->set_csr(std::move(csr));
    return reply;
}

absl::StatusOr<Reply> NodeOperations::ApplyCert(const OperationCall& call) {
    RETURN_IF_ERROR(parts_.provisioning.CheckEnrolling());
    const auto& request = call.request().apply_cert_request();
    ASSIGN_OR_RETURN(const cert::CertRecord record, parts_.certificates.ApplyCert(request.type(), request.cert()));
    Reply reply;
    *reply.mutable_apply_cert_response()->mutable_cert_info() = ToCertInfo(record);
    return reply;
}

absl::StatusOr<Reply> NodeOperations::ListCertificates(const OperationCall& call) {
    ASSIGN_OR_RETURN(auto list,
                     node::ListCertificates(parts_.certificates, call.request().list_certificates_request()));
    Reply reply;
    *reply.mutable_list_certificates_response() = std::move(list);
    return reply;
}

}  // namespace provhub::node
