#include "common/node/method_table.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <string>

#include "common/status/status.h"

namespace provhub::node {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Lower field numbers are the contract's.
constexpr int kFirstOwnNumber = 100;

constexpr std::array kUnprovisioned = {NodeState::kUnprovisioned};
constexpr std::array kProvisioned = {NodeState::kProvisioned};
constexpr std::array kPaused = {NodeState::kPaused};
constexpr std::array kEnrolling = {NodeState::kUnprovisioned, NodeState::kProvisioned, NodeState::kPaused};
constexpr std::array kAll = {NodeState::kUnprovisioned, NodeState::kProvisioned, NodeState::kPaused, NodeState::kError};

constexpr std::array kMethods = {
    Method{"StartProvisioning", Request::kStartProvisioningRequest, Reply::kStartProvisioningResponse,
           TimeoutClass::kProvisioning, Concurrency::kExclusive, ModeRule::kAlways, kUnprovisioned},
    Method{"GetCertTypes", Request::kGetCertTypesRequest, Reply::kCertTypesResponse, TimeoutClass::kProvisioning,
           Concurrency::kAny, ModeRule::kNever, kAll},
    Method{"FinishProvisioning", Request::kFinishProvisioningRequest, Reply::kFinishProvisioningResponse,
           TimeoutClass::kProvisioning, Concurrency::kExclusive, ModeRule::kAlways, kUnprovisioned},
    Method{"Deprovision", Request::kDeprovisionRequest, Reply::kDeprovisionResponse, TimeoutClass::kProvisioning,
           Concurrency::kExclusive, ModeRule::kAlways, kAll},
    Method{"PauseNode", Request::kPauseNodeRequest, Reply::kPauseNodeResponse, TimeoutClass::kNodeState,
           Concurrency::kExclusive, ModeRule::kNever, kProvisioned},
    Method{"ResumeNode", Request::kResumeNodeRequest, Reply::kResumeNodeResponse, TimeoutClass::kNodeState,
           Concurrency::kExclusive, ModeRule::kNever, kPaused},
    Method{"CreateKey", Request::kCreateKeyRequest, Reply::kCreateKeyResponse, TimeoutClass::kProvisioning,
           Concurrency::kPerType, ModeRule::kFirstEnrolment, kEnrolling},
    Method{"ApplyCert", Request::kApplyCertRequest, Reply::kApplyCertResponse, TimeoutClass::kProvisioning,
           Concurrency::kPerType, ModeRule::kFirstEnrolment, kEnrolling},
    Method{"ListCertificates", Request::kListCertificatesRequest, Reply::kListCertificatesResponse,
           TimeoutClass::kNodeState, Concurrency::kAny, ModeRule::kNever, kAll},
};

// The message that the oneof of the envelope holds, or null.
const Message* Content(const Message& envelope) {
    const auto* oneof = envelope.GetDescriptor()->oneof_decl(0);
    const auto* field = envelope.GetReflection()->GetOneofFieldDescriptor(envelope, oneof);
    return field == nullptr ? nullptr : &envelope.GetReflection()->GetMessage(envelope, field);
}

absl::string_view StringField(const Message& envelope, const std::string& name) {
    const auto* content = Content(envelope);
    const auto* field = content == nullptr ? nullptr : content->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr) {
        return {};
    }
    std::string unused;
    return content->GetReflection()->GetStringReference(*content, field, &unused);
}

}  // namespace

std::span<const Method> Methods() {
    return kMethods;
}

const Method* FindByRequest(Request::IAMIncomingMessageCase request_case) {
    const auto* method = std::ranges::find(kMethods, request_case, &Method::request_case);
    return method == kMethods.end() ? nullptr : method;
}

const Method* FindByReply(Reply::IAMOutgoingMessageCase reply_case) {
    const auto* method = std::ranges::find(kMethods, reply_case, &Method::reply_case);
    return method == kMethods.end() ? nullptr : method;
}

bool IsExtension(const Method& method) {
    return method.request_case >= kFirstOwnNumber;
}

Reply EmptyReply(const Method& method) {
    Reply reply;
    reply.GetReflection()->MutableMessage(&reply, Reply::descriptor()->FindFieldByNumber(method.reply_case));
    return reply;
}

absl::string_view NodeId(const Request& request) {
    return StringField(request, "node_id");
}

absl::string_view CertType(const Request& request) {
    return StringField(request, "type");
}

void SetNodeId(Request& request, absl::string_view node_id) {
    const auto* oneof = request.GetDescriptor()->oneof_decl(0);
    const auto* field = request.GetReflection()->GetOneofFieldDescriptor(request, oneof);
    if (field == nullptr) {
        return;
    }
    auto* content = request.GetReflection()->MutableMessage(&request, field);
    const auto* node_id_field = content->GetDescriptor()->FindFieldByName("node_id");
    content->GetReflection()->SetString(content, node_id_field, std::string(node_id));
}

Outcome ErrorReply(const Method& method, const absl::Status& error) {
    Reply reply;
    const auto* field = Reply::descriptor()->FindFieldByNumber(method.reply_case);
    auto* content = reply.GetReflection()->MutableMessage(&reply, field);
    const auto* error_field = content->GetDescriptor()->FindFieldByName("error");
    if (error_field == nullptr) {
        return error;
    }
    content->GetReflection()->MutableMessage(content, error_field)->CopyFrom(status::ToErrorInfo(error));
    return reply;
}

absl::Status ReplyStatus(const Reply& reply) {
    const auto* content = Content(reply);
    const FieldDescriptor* field = content == nullptr ? nullptr : content->GetDescriptor()->FindFieldByName("error");
    if (field == nullptr || !content->GetReflection()->HasField(*content, field)) {
        return absl::OkStatus();
    }
    ::common::v2::ErrorInfo error;
    error.CopyFrom(content->GetReflection()->GetMessage(*content, field));
    // An error that is present but empty is success in every dialect of the contract.
    return status::FromErrorInfo(error);
}

}  // namespace provhub::node
