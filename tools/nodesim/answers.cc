#include "tools/nodesim/answers.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/crypto/certificate.h"

namespace provhub::nodesim {

using node::Method;
using node::NodeState;
using node::Outcome;
using node::Reply;
using node::Request;

Outcome Answers::To(const Method& method, const Request& request, NodeState& state) const {
    if (std::ranges::find(method.states, state) == method.states.end()) {
        return node::ErrorReply(method,
                                absl::FailedPreconditionError(absl::StrCat("the node is ", node::ToString(state))));
    }
    Reply reply;
    switch (method.request_case) {
        case Request::kStartProvisioningRequest:
            reply.mutable_start_provisioning_response();
            break;
        case Request::kGetCertTypesRequest:
            reply.mutable_cert_types_response()->mutable_types()->Assign(cert_types_.begin(), cert_types_.end());
            break;
        case Request::kFinishProvisioningRequest:
            state = NodeState::kProvisioned;
            reply.mutable_finish_provisioning_response();
            break;
        case Request::kDeprovisionRequest:
            state = NodeState::kUnprovisioned;
            reply.mutable_deprovision_response();
            break;
        case Request::kPauseNodeRequest:
            state = NodeState::kPaused;
            reply.mutable_pause_node_response();
            break;
        case Request::kResumeNodeRequest:
            state = NodeState::kProvisioned;
            reply.mutable_resume_node_response();
            break;
        case Request::kCreateKeyRequest:
            return CreateKey(method, request.create_key_request());
        case Request::kApplyCertRequest:
            return ApplyCert(method, request.apply_cert_request());
        case Request::kListCertificatesRequest:
            // A simulated node signs what it is asked to and keeps nothing.
            reply.mutable_list_certificates_response();
            break;
        case Request::IAMINCOMINGMESSAGE_NOT_SET:
            return absl::UnimplementedError("no request");
    }
    return reply;
}

Outcome Answers::CreateKey(const Method& method, const iamanager::v6::CreateKeyRequest& request) const {
    auto csr = requests_.For(request.subject());
    if (!csr.ok()) {
        return node::ErrorReply(method, csr.status());
    }
    Reply reply;
    auto& response = *reply.mutable_create_key_response();
    response.set_node_id(request.node_id());
    response.set_type(request.type());
    response.set_csr(*std::move(csr));
    return reply;
}

Outcome Answers::ApplyCert(const Method& method, const iamanager::v6::ApplyCertRequest& request) const {
    const auto chain = crypto::ParsePemCertificates(request.cert());
    if (!chain.ok()) {
        return node::ErrorReply(method, chain.status());
    }
    const crypto::Certificate& leaf = chain->front();
    Reply reply;
    auto& response = *reply.mutable_apply_cert_response();
    response.set_node_id(request.node_id());
    auto& info = *response.mutable_cert_info();
    info.set_type(request.type());
    info.set_serial(leaf.SerialHex());
    info.set_issuer(leaf.IssuerDer());
    info.set_cert_url(absl::StrCat("pkcs11:token=simulated;object=", request.type(), ";type=cert"));
    info.set_key_url(absl::StrCat("pkcs11:token=simulated;object=", request.type(), ";type=private"));
    return reply;
}

Reply AnswerOfAnotherType(const Method& method) {
    Reply reply;
    if (method.reply_case == Reply::kPauseNodeResponse) {
        reply.mutable_resume_node_response();
    } else {
        reply.mutable_pause_node_response();
    }
    return reply;
}

}  // namespace provhub::nodesim
