#include "tools/provctl/unit_client.h"

#include <grpcpp/client_context.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "iamanager/version.grpc.pb.h"
#include "provhub/v1/join_tokens.grpc.pb.h"
#include "provhub/v1/provhub.grpc.pb.h"

namespace provhub::provctl {
namespace {

namespace iam = iamanager::v6;
namespace ours = provhub::v1;

constexpr absl::Duration kRepeatFor = absl::Seconds(5);
constexpr absl::Duration kRepeatAfter = absl::Milliseconds(300);

// Whether the status was sent by the server, which makes Unavailable mean "not sent to the node"; gRPC's own one is
// said of a broken connection, too. Where gRPC should word it differently some day, nothing is repeated.
bool IsServersAnswer(const grpc::ClientContext& context) {
    return absl::StrContains(context.debug_error_string(), "Error received from peer");
}

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
    return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

UnitNode FromStatus(const ours::NodeStatus& status) {
    UnitNode node{.info = status.info(), .connected = status.connected(), .changed = std::nullopt};
    if (status.has_changed()) {
        node.changed = ToTime(status.changed());
    }
    return node;
}

// Reads a stream until it ends. `on_open`, where there is one, runs when the server has taken the call up or refused
// it.
template <typename Message, typename Open>
grpc::Status Follow(const std::stop_token& stop, const Open& open, const std::function<absl::Status()>& on_open,
                    const std::function<void(const Message&)>& on_message) {
    grpc::ClientContext context;
    const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
    const std::unique_ptr<grpc::ClientReader<Message>> reader = open(&context);
    if (on_open) {
        reader->WaitForInitialMetadata();
        if (const absl::Status status = on_open(); !status.ok()) {
            context.TryCancel();
            reader->Finish();
            return status::ToGrpc(status);
        }
    }
    Message message;
    while (reader->Read(&message)) {
        on_message(message);
    }
    return reader->Finish();
}

// A request that carries the password; its copy is wiped when the request goes.
template <typename Message>
class SecretRequest {
 public:
    SecretRequest(const std::string& node_id, const crypto::Secret& password) {
        message_.set_node_id(node_id);
        message_.set_password(std::string(password.Reveal()));
    }
    SecretRequest(const SecretRequest&) = delete;
    SecretRequest& operator=(const SecretRequest&) = delete;
    ~SecretRequest() { OPENSSL_cleanse(message_.mutable_password()->data(), message_.password().size()); }

    Message& operator*() { return message_; }

 private:
    Message message_;
};

template <typename Response>
absl::Status ErrorOf(const Response& response) {
    return response.has_error() ? status::FromErrorInfo(response.error()) : absl::OkStatus();
}

}  // namespace

UnitClient::UnitClient(std::shared_ptr<grpc::Channel> channel, std::string server, absl::Duration timeout)
    : channel_(std::move(channel)), server_(std::move(server)), timeout_(timeout) {}

template <typename Stub, typename Request, typename Response>
absl::Status UnitClient::Call(Effect effect,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request, Response* response) {
    Stub stub(channel_);
    const absl::Time begun = absl::Now();
    while (true) {
        grpc::ClientContext context;
        context.set_deadline(absl::ToChronoTime(begun + timeout_));
        const grpc::Status status = (stub.*method)(&context, request, response);
        if (status.ok()) {
            return absl::OkStatus();
        }
        const bool repeatable = status.error_code() == grpc::StatusCode::UNAVAILABLE &&
                                (effect == Effect::kNone || IsServersAnswer(context));
        if (!repeatable || absl::Now() - begun + kRepeatAfter > std::min(kRepeatFor, timeout_)) {
            return status::Annotate(status::FromGrpc(status), server_);
        }
        Pause();
    }
}

void UnitClient::Pause() {
    const absl::Time until = absl::Now() + kRepeatAfter;
    // A channel makes progress with its connection only while somebody waits for it. Where there is one already, it is
    // the server that is not ready.
    if (channel_->GetState(false) == GRPC_CHANNEL_READY || !channel_->WaitForConnected(absl::ToChronoTime(until))) {
        absl::SleepFor(until - absl::Now());
    }
}

absl::StatusOr<std::vector<UnitNode>> UnitClient::ListNodes() {
    std::vector<UnitNode> nodes;
    ours::ListNodesRequest request;
    do {
        ours::ListNodesResponse page;
        const absl::Status status = Call(Effect::kNone, &ours::NodeDirectoryService::Stub::ListNodes, request, &page);
        if (absl::IsUnimplemented(status)) {
            return ListNodesByContract();
        }
        RETURN_IF_ERROR(status);
        std::ranges::transform(page.nodes(), std::back_inserter(nodes), FromStatus);
        request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return nodes;
}

absl::StatusOr<std::vector<UnitNode>> UnitClient::ListNodesByContract() {
    iam::NodesID ids;
    RETURN_IF_ERROR(
        Call(Effect::kNone, &iam::IAMPublicNodesService::Stub::GetAllNodeIDs, google::protobuf::Empty(), &ids));
    std::sort(ids.mutable_ids()->begin(), ids.mutable_ids()->end());
    std::vector<UnitNode> nodes;
    for (const std::string& id : ids.ids()) {
        iam::GetNodeInfoRequest request;
        request.set_node_id(id);
        UnitNode& node = nodes.emplace_back();
        RETURN_IF_ERROR(Call(Effect::kNone, &iam::IAMPublicNodesService::Stub::GetNodeInfo, request, &node.info));
    }
    return nodes;
}

absl::Status UnitClient::WatchNodes(const std::stop_token& stop, const std::function<absl::Status()>& on_open,
                                    const std::function<void(const UnitNode&)>& on_change) {
    ours::NodeDirectoryService::Stub directory(channel_);
    grpc::Status status = Follow<ours::NodeStatus>(
        stop, [&](grpc::ClientContext* context) { return directory.WatchNodes(context, {}); }, on_open,
        [&](const ours::NodeStatus& node) { on_change(FromStatus(node)); });
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
        // A server of other make may send nothing before the first change: there is nothing to wait for.
        iam::IAMPublicNodesService::Stub nodes(channel_);
        status = Follow<iam::NodeInfo>(
            stop, [&](grpc::ClientContext* context) { return nodes.SubscribeNodeChanged(context, {}); }, nullptr,
            [&](const iam::NodeInfo& info) { on_change({.info = info, .connected = {}, .changed = {}}); });
    }
    if (stop.stop_requested()) {
        return absl::OkStatus();
    }
    return status.ok() ? absl::UnavailableError(absl::StrCat(server_, ": the server ended the stream"))
                       : status::Annotate(status::FromGrpc(status), server_);
}

absl::StatusOr<std::vector<ours::Certificate>> UnitClient::ListCertificates(const std::vector<std::string>& types,
                                                                            const std::string& node_id) {
    ours::ListCertificatesRequest request;
    request.mutable_types()->Assign(types.begin(), types.end());
    request.set_node_id(node_id);
    ours::ListCertificatesResponse response;
    const absl::Status status =
        Call(Effect::kNone, &ours::InspectionService::Stub::ListCertificates, request, &response);
    if (!absl::IsUnimplemented(status) || !node_id.empty()) {
        RETURN_IF_ERROR(status);
        return std::vector<ours::Certificate>(response.certificates().begin(), response.certificates().end());
    }
    if (types.empty()) {
        return absl::UnimplementedError(
            absl::StrCat(server_, ": this server can't list its certificates; name the types"));
    }
    std::vector<ours::Certificate> certificates;
    for (const std::string& type : types) {
        iam::GetCertRequest get;
        get.set_type(type);
        auto* const info = certificates.emplace_back().mutable_info();
        RETURN_IF_ERROR(
            status::Annotate(Call(Effect::kNone, &iam::IAMPublicCertService::Stub::GetCert, get, info), type));
    }
    return certificates;
}

absl::StatusOr<ServerVersion> UnitClient::GetVersion() {
    ServerVersion version;
    iamanager::APIVersion api;
    RETURN_IF_ERROR(
        Call(Effect::kNone, &iamanager::IAMVersionService::Stub::GetAPIVersion, google::protobuf::Empty(), &api));
    version.api_version = api.version();
    ours::ServerInfo info;
    const absl::Status status =
        Call(Effect::kNone, &ours::InspectionService::Stub::GetServerInfo, ours::GetServerInfoRequest(), &info);
    if (!absl::IsUnimplemented(status)) {
        RETURN_IF_ERROR(status);
        version.info = std::move(info);
    }
    return version;
}

absl::Status UnitClient::StartProvisioning(const std::string& node_id, const crypto::Secret& password) {
    SecretRequest<iam::StartProvisioningRequest> request(node_id, password);
    iam::StartProvisioningResponse response;
    RETURN_IF_ERROR(
        Call(Effect::kChangesNode, &iam::IAMProvisioningService::Stub::StartProvisioning, *request, &response));
    return ErrorOf(response);
}

absl::StatusOr<std::vector<std::string>> UnitClient::GetCertTypes(const std::string& node_id) {
    iam::GetCertTypesRequest request;
    request.set_node_id(node_id);
    iam::CertTypes response;
    RETURN_IF_ERROR(Call(Effect::kNone, &iam::IAMProvisioningService::Stub::GetCertTypes, request, &response));
    return std::vector<std::string>(response.types().begin(), response.types().end());
}

absl::StatusOr<std::string> UnitClient::CreateKey(const std::string& node_id, const std::string& type,
                                                  const std::string& subject, const crypto::Secret& password) {
    SecretRequest<iam::CreateKeyRequest> request(node_id, password);
    (*request).set_type(type);
    (*request).set_subject(subject);
    iam::CreateKeyResponse response;
    RETURN_IF_ERROR(Call(Effect::kChangesNode, &iam::IAMCertificateService::Stub::CreateKey, *request, &response));
    RETURN_IF_ERROR(ErrorOf(response));
    return response.csr();
}

absl::StatusOr<iam::CertInfo> UnitClient::ApplyCert(const std::string& node_id, const std::string& type,
                                                    const std::string& chain_pem) {
    iam::ApplyCertRequest request;
    request.set_node_id(node_id);
    request.set_type(type);
    request.set_cert(chain_pem);
    iam::ApplyCertResponse response;
    RETURN_IF_ERROR(Call(Effect::kChangesNode, &iam::IAMCertificateService::Stub::ApplyCert, request, &response));
    RETURN_IF_ERROR(ErrorOf(response));
    return response.cert_info();
}

absl::Status UnitClient::FinishProvisioning(const std::string& node_id, const crypto::Secret& password) {
    SecretRequest<iam::FinishProvisioningRequest> request(node_id, password);
    iam::FinishProvisioningResponse response;
    RETURN_IF_ERROR(
        Call(Effect::kChangesNode, &iam::IAMProvisioningService::Stub::FinishProvisioning, *request, &response));
    return ErrorOf(response);
}

absl::Status UnitClient::Deprovision(const std::string& node_id, const crypto::Secret& password) {
    SecretRequest<iam::DeprovisionRequest> request(node_id, password);
    iam::DeprovisionResponse response;
    RETURN_IF_ERROR(Call(Effect::kChangesNode, &iam::IAMProvisioningService::Stub::Deprovision, *request, &response));
    return ErrorOf(response);
}

absl::Status UnitClient::PauseNode(const std::string& node_id) {
    iam::PauseNodeRequest request;
    request.set_node_id(node_id);
    iam::PauseNodeResponse response;
    RETURN_IF_ERROR(Call(Effect::kChangesNode, &iam::IAMNodesService::Stub::PauseNode, request, &response));
    return ErrorOf(response);
}

absl::Status UnitClient::ResumeNode(const std::string& node_id) {
    iam::ResumeNodeRequest request;
    request.set_node_id(node_id);
    iam::ResumeNodeResponse response;
    RETURN_IF_ERROR(Call(Effect::kChangesNode, &iam::IAMNodesService::Stub::ResumeNode, request, &response));
    return ErrorOf(response);
}

absl::StatusOr<ours::CreateJoinTokenResponse> UnitClient::CreateJoinToken(const std::string& node_id,
                                                                          absl::Duration ttl) {
    ours::CreateJoinTokenRequest request;
    request.set_node_id(node_id);
    absl::Duration rest;
    request.mutable_ttl()->set_seconds(absl::IDivDuration(ttl, absl::Seconds(1), &rest));
    request.mutable_ttl()->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(rest)));
    ours::CreateJoinTokenResponse response;
    RETURN_IF_ERROR(Call(Effect::kChangesNode, &ours::JoinTokenService::Stub::CreateJoinToken, request, &response));
    return response;
}

absl::StatusOr<std::vector<ours::JoinToken>> UnitClient::ListJoinTokens() {
    ours::ListJoinTokensResponse response;
    RETURN_IF_ERROR(
        Call(Effect::kNone, &ours::JoinTokenService::Stub::ListJoinTokens, ours::ListJoinTokensRequest(), &response));
    return std::vector<ours::JoinToken>(response.tokens().begin(), response.tokens().end());
}

absl::Status UnitClient::RevokeJoinToken(const std::string& id) {
    ours::RevokeJoinTokenRequest request;
    request.set_id(id);
    ours::RevokeJoinTokenResponse response;
    return Call(Effect::kChangesNode, &ours::JoinTokenService::Stub::RevokeJoinToken, request, &response);
}

}  // namespace provhub::provctl
