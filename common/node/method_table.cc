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
           TimeoutClass::kProvisioning, Concurrency::kExclusive, ModeRule::kProvisioning, kUnprovisioned},
    Method{"GetCertTypes", Request::kGetCertTypesRequest, Reply::kCertTypesResponse, TimeoutClass::kProvisioning,
           Concurrency::kAny, ModeRule::kAny, kAll},
    Method{"FinishProvisioning", Request::kFinishProvisioningRequest, Reply::kFinishProvisioningResponse,
           TimeoutClass::kProvisioning, Concurrency::kExclusive, ModeRule::kProvisioning, kUnprovisioned},
    Method{"Deprovision", Request::kDeprovisionRequest, Reply::kDeprovisionResponse, TimeoutClass::kProvisioning,
           Concurrency::kExclusive, ModeRule::kProvisioning, kAll},
    Method{"PauseNode", Request::kPauseNodeRequest, Reply::kPauseNodeResponse, TimeoutClass::kNodeState,
           Concurrency::kExclusive, ModeRule::kNotInRepair, kProvisioned},
    Method{"ResumeNode", Request::kResumeNodeRequest, Reply::kResumeNodeResponse, TimeoutClass::kNodeState,
           Concurrency::kExclusive, ModeRule::kNotInRepair, kPaused},
    Method{"CreateKey", Request::kCreateKeyRequest, Reply::kCreateKeyResponse, TimeoutClass::kProvisioning,
           Concurrency::kPerType, ModeRule::kFirstEnrolment, kEnrolling},
    Method{"ApplyCert", Request::kApplyCertRequest, Reply::kApplyCertResponse, TimeoutClass::kProvisioning,
           Concurrency::kPerType, ModeRule::kFirstEnrolment, kEnrolling},
    Method{"ListCertificates", Request::kListCertificatesRequest, Reply::kListCertificatesResponse,
           TimeoutClass::kNodeState, Concurrency::kAny, ModeRule::kAny, kAll},
};

// Where something is in the messages of an envelope; null: not there. Looked up once, by name, for every call asks.
struct Fields {
    // The message itself.
    const FieldDescriptor* content = nullptr;
    const FieldDescriptor* node_id = nullptr;
    const FieldDescriptor* type = nullptr;
    const FieldDescriptor* error = nullptr;
};

// Above every number in the oneofs of both envelopes.
constexpr std::size_t kEndOfCases = 128;
static_assert(Request::kListCertificatesRequest < kEndOfCases && Reply::kListCertificatesResponse < kEndOfCases);

template <typename Envelope>
const Fields& FieldsOf(int message_case) {
    static const auto table = [] {
        std::array<Fields, kEndOfCases> fields;
        const auto* oneof = Envelope::descriptor()->oneof_decl(0);
        for (int i = 0; i < oneof->field_count(); ++i) {
            const auto* content = oneof->field(i);
            const auto* message = content->message_type();
            fields.at(static_cast<std::size_t>(content->number())) = {content, message->FindFieldByName("node_id"),
                                                                      message->FindFieldByName("type"),
                                                                      message->FindFieldByName("error")};
        }
        return fields;
    }();
    return table.at(static_cast<std::size_t>(message_case));
}

const Fields& FieldsOf(const Request& request) {
    return FieldsOf<Request>(request.IAMIncomingMessage_case());
}

absl::string_view StringField(const Request& request, const FieldDescriptor* Fields::*which) {
    const Fields& fields = FieldsOf(request);
    if (fields.*which == nullptr) {
        return {};
    }
    const Message& content = request.GetReflection()->GetMessage(request, fields.content);
    std::string unused;
    return content.GetReflection()->GetStringReference(content, fields.*which, &unused);
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
    return StringField(request, &Fields::node_id);
}

absl::string_view CertType(const Request& request) {
    return StringField(request, &Fields::type);
}

void SetNodeId(Request& request, absl::string_view node_id) {
    const Fields& fields = FieldsOf(request);
    if (fields.content == nullptr) {
        return;
    }
    auto* content = request.GetReflection()->MutableMessage(&request, fields.content);
    content->GetReflection()->SetString(content, fields.node_id, std::string(node_id));
}

Outcome ErrorReply(const Method& method, const absl::Status& error) {
    const Fields& fields = FieldsOf<Reply>(method.reply_case);
    if (fields.error == nullptr) {
        return error;
    }
    Reply reply;
    auto* content = reply.GetReflection()->MutableMessage(&reply, fields.content);
    content->GetReflection()->MutableMessage(content, fields.error)->CopyFrom(status::ToErrorInfo(error));
    return reply;
}

absl::Status ReplyStatus(const Reply& reply) {
    const Fields& fields = FieldsOf<Reply>(reply.IAMOutgoingMessage_case());
    if (fields.error == nullptr) {
        return absl::OkStatus();
    }
    const Message& content = reply.GetReflection()->GetMessage(reply, fields.content);
    if (!content.GetReflection()->HasField(content, fields.error)) {
        return absl::OkStatus();
    }
    ::common::v2::ErrorInfo error;
    error.CopyFrom(content.GetReflection()->GetMessage(content, fields.error));
    // An error that is present but empty is success in every dialect of the contract.
    return status::FromErrorInfo(error);
}

}  // namespace provhub::node
