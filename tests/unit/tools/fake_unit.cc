#include "tests/unit/tools/fake_unit.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"

namespace provhub::provctl {

namespace iam = iamanager::v6;

class FakeUnit::Directory final : public provhub::v1::NodeDirectoryService::Service {
 public:
    explicit Directory(const FakeUnit& unit) : unit_(unit) {}

    // One node a page.
    grpc::Status ListNodes(grpc::ServerContext*, const provhub::v1::ListNodesRequest* request,
                           provhub::v1::ListNodesResponse* response) override {
        bool found = request->page_token().empty();
        for (const auto& node : unit_.Nodes()) {
            if (found && response->nodes().empty()) {
                *response->add_nodes() = node;
            } else if (found) {
                response->set_next_page_token(response->nodes(0).info().node_id());
                break;
            }
            found = found || node.info().node_id() == request->page_token();
        }
        return grpc::Status::OK;
    }

    grpc::Status WatchNodes(grpc::ServerContext*, const provhub::v1::WatchNodesRequest*,
                            grpc::ServerWriter<provhub::v1::NodeStatus>* writer) override {
        writer->SendInitialMetadata();
        for (const auto& node : unit_.Nodes()) {
            writer->Write(node);
        }
        return grpc::Status::OK;
    }

 private:
    const FakeUnit& unit_;
};

class FakeUnit::Inspection final : public provhub::v1::InspectionService::Service {
 public:
    explicit Inspection(FakeUnit& unit) : unit_(unit) {}

    grpc::Status ListCertificates(grpc::ServerContext*, const provhub::v1::ListCertificatesRequest* request,
                                  provhub::v1::ListCertificatesResponse* response) override {
        return unit_.ListCertificates(*request, *response);
    }

 private:
    FakeUnit& unit_;
};

class FakeUnit::Tokens final : public provhub::v1::JoinTokenService::Service {
 public:
    explicit Tokens(FakeUnit& unit) : unit_(unit) {}

    grpc::Status CreateJoinToken(grpc::ServerContext*, const provhub::v1::CreateJoinTokenRequest* request,
                                 provhub::v1::CreateJoinTokenResponse* response) override {
        response->set_token("the-token");
        response->mutable_info()->set_id("17");
        response->mutable_info()->set_node_id(request->node_id());
        response->mutable_info()->mutable_expires()->set_seconds(request->ttl().seconds());
        return unit_.Record("CreateJoinToken", request->node_id(), absl::StrCat(request->ttl().seconds())).status;
    }

    grpc::Status ListJoinTokens(grpc::ServerContext*, const provhub::v1::ListJoinTokensRequest*,
                                provhub::v1::ListJoinTokensResponse* response) override {
        auto& used = *response->add_tokens();
        used.set_id("16");
        used.set_used_by("node-1");
        used.mutable_used()->set_seconds(60);
        response->add_tokens()->set_id("17");
        return grpc::Status::OK;
    }

    grpc::Status RevokeJoinToken(grpc::ServerContext*, const provhub::v1::RevokeJoinTokenRequest* request,
                                 provhub::v1::RevokeJoinTokenResponse*) override {
        return unit_.Record("RevokeJoinToken", request->id()).status;
    }

 private:
    FakeUnit& unit_;
};

FakeUnit::FakeUnit(Make make) : key_(EVP_EC_gen("P-384")) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(static_cast<iam::IAMProvisioningService::Service*>(this));
    builder.RegisterService(static_cast<iam::IAMCertificateService::Service*>(this));
    builder.RegisterService(static_cast<iam::IAMNodesService::Service*>(this));
    builder.RegisterService(static_cast<iam::IAMPublicNodesService::Service*>(this));
    builder.RegisterService(static_cast<iam::IAMPublicCertService::Service*>(this));
    if (make == Make::kOurs) {
        directory_ = std::make_unique<Directory>(*this);
        builder.RegisterService(directory_.get());
        inspection_ = std::make_unique<Inspection>(*this);
        builder.RegisterService(inspection_.get());
        tokens_ = std::make_unique<Tokens>(*this);
        builder.RegisterService(tokens_.get());
    }
    server_ = builder.BuildAndStart();
}

FakeUnit::~FakeUnit() {
    server_->Shutdown();
}

std::string FakeUnit::address() const {
    return absl::StrCat("127.0.0.1:", port_);
}

void FakeUnit::AddNode(const std::string& node_id, const std::string& state, bool connected) {
    absl::MutexLock lock(&mutex_);
    provhub::v1::NodeStatus& node = nodes_[node_id];
    node.mutable_info()->set_node_id(node_id);
    node.mutable_info()->set_state(state);
    node.set_connected(connected);
}

void FakeUnit::Say(const std::string& method, const std::string& node_id, Answer answer) {
    absl::MutexLock lock(&mutex_);
    answers_[{method, node_id}].push_back(std::move(answer));
}

void FakeUnit::AddCertificate(const std::string& node_id, const std::string& type, absl::Time not_after,
                              const std::string& subject, bool self_signed) {
    absl::MutexLock lock(&mutex_);
    provhub::v1::Certificate& certificate = certificates_[node_id].emplace_back();
    certificate.mutable_info()->set_type(type);
    certificate.set_subject(subject);
    certificate.mutable_not_after()->set_seconds(absl::ToUnixSeconds(not_after));
    certificate.set_self_signed(self_signed);
}

void FakeUnit::SetNamesInCsr(const std::string& node_id, std::vector<std::string> names) {
    absl::MutexLock lock(&mutex_);
    names_in_csr_[node_id] = std::move(names);
}

std::vector<std::string> FakeUnit::Calls() const {
    absl::MutexLock lock(&mutex_);
    return calls_;
}

std::vector<std::string> FakeUnit::Passwords() const {
    absl::MutexLock lock(&mutex_);
    return passwords_;
}

std::string FakeUnit::Chain(const std::string& node_id, const std::string& type) const {
    absl::MutexLock lock(&mutex_);
    const auto chain = chains_.find({node_id, type});
    return chain == chains_.end() ? std::string() : chain->second;
}

std::vector<provhub::v1::NodeStatus> FakeUnit::Nodes() const {
    absl::MutexLock lock(&mutex_);
    std::vector<provhub::v1::NodeStatus> nodes;
    for (const auto& [id, node] : nodes_) {
        nodes.push_back(node);
    }
    return nodes;
}

Answer FakeUnit::Record(const std::string& method, const std::string& node_id, const std::string& detail) {
    absl::MutexLock lock(&mutex_);
    calls_.push_back(absl::StrCat(method, " ", node_id, detail.empty() ? "" : " ", detail));
    auto& answers = answers_[{method, node_id}];
    if (answers.empty()) {
        return {};
    }
    Answer answer = std::move(answers.front());
    answers.pop_front();
    return answer;
}

template <typename Request>
void FakeUnit::RecordPassword(const Request& request) {
    absl::MutexLock lock(&mutex_);
    passwords_.push_back(request.password());
}

template <typename Response>
grpc::Status FakeUnit::Give(const Answer& answer, Response* response) {
    if (answer.aos_code != 0) {
        response->mutable_error()->set_aos_code(answer.aos_code);
        response->mutable_error()->set_message(answer.message);
    }
    return answer.status;
}

grpc::Status FakeUnit::StartProvisioning(grpc::ServerContext*, const iam::StartProvisioningRequest* request,
                                         iam::StartProvisioningResponse* response) {
    RecordPassword(*request);
    return Give(Record("StartProvisioning", request->node_id()), response);
}

grpc::Status FakeUnit::GetCertTypes(grpc::ServerContext*, const iam::GetCertTypesRequest* request,
                                    iam::CertTypes* response) {
    response->add_types("iam");
    response->add_types("online");
    return Record("GetCertTypes", request->node_id()).status;
}

grpc::Status FakeUnit::FinishProvisioning(grpc::ServerContext*, const iam::FinishProvisioningRequest* request,
                                          iam::FinishProvisioningResponse* response) {
    RecordPassword(*request);
    return Give(Record("FinishProvisioning", request->node_id()), response);
}

grpc::Status FakeUnit::Deprovision(grpc::ServerContext*, const iam::DeprovisionRequest* request,
                                   iam::DeprovisionResponse* response) {
    RecordPassword(*request);
    return Give(Record("Deprovision", request->node_id()), response);
}

grpc::Status FakeUnit::ListCertificates(const provhub::v1::ListCertificatesRequest& request,
                                        provhub::v1::ListCertificatesResponse& response) {
    const Answer answer = Record("ListCertificates", request.node_id());
    absl::MutexLock lock(&mutex_);
    for (const auto& certificate : certificates_[request.node_id()]) {
        *response.add_certificates() = certificate;
    }
    return answer.status;
}

grpc::Status FakeUnit::CreateKey(grpc::ServerContext*, const iam::CreateKeyRequest* request,
                                 iam::CreateKeyResponse* response) {
    RecordPassword(*request);
    crypto::CertificateRequest csr;
    csr.common_name = request->subject().empty() ? "unit" : request->subject();
    {
        absl::MutexLock lock(&mutex_);
        csr.alternative_names = names_in_csr_[request->node_id()];
    }
    response->set_csr(*crypto::CreateCsr(key_.get(), csr));
    return Give(Record("CreateKey", request->node_id(), request->type()), response);
}

grpc::Status FakeUnit::ApplyCert(grpc::ServerContext*, const iam::ApplyCertRequest* request,
                                 iam::ApplyCertResponse* response) {
    {
        absl::MutexLock lock(&mutex_);
        chains_[{request->node_id(), request->type()}] = request->cert();
    }
    response->mutable_cert_info()->set_type(request->type());
    response->mutable_cert_info()->set_serial("4D2");
    return Give(Record("ApplyCert", request->node_id(), request->type()), response);
}

grpc::Status FakeUnit::PauseNode(grpc::ServerContext*, const iam::PauseNodeRequest* request,
                                 iam::PauseNodeResponse* response) {
    return Give(Record("PauseNode", request->node_id()), response);
}

grpc::Status FakeUnit::ResumeNode(grpc::ServerContext*, const iam::ResumeNodeRequest* request,
                                  iam::ResumeNodeResponse* response) {
    return Give(Record("ResumeNode", request->node_id()), response);
}

grpc::Status FakeUnit::GetAllNodeIDs(grpc::ServerContext*, const google::protobuf::Empty*, iam::NodesID* response) {
    for (const auto& node : Nodes()) {
        response->add_ids(node.info().node_id());
    }
    return grpc::Status::OK;
}

grpc::Status FakeUnit::GetNodeInfo(grpc::ServerContext*, const iam::GetNodeInfoRequest* request,
                                   iam::NodeInfo* response) {
    for (const auto& node : Nodes()) {
        if (node.info().node_id() == request->node_id()) {
            *response = node.info();
            return grpc::Status::OK;
        }
    }
    return {grpc::StatusCode::NOT_FOUND, "no such node"};
}

grpc::Status FakeUnit::GetCert(grpc::ServerContext*, const iam::GetCertRequest* request, iam::CertInfo* response) {
    response->set_type(request->type());
    response->set_serial("4D2");
    return grpc::Status::OK;
}

}  // namespace provhub::provctl
