// A main node that does as it is told, on a port of its own.
#ifndef PROVHUB_TESTS_UNIT_TOOLS_FAKE_UNIT_H_
#define PROVHUB_TESTS_UNIT_TOOLS_FAKE_UNIT_H_

#include <grpcpp/server.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/crypto/openssl.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "provhub/v1/join_tokens.grpc.pb.h"
#include "provhub/v1/provhub.grpc.pb.h"

namespace provhub::provctl {

// What a call answers: a gRPC status, or with an OK one an `error` where aos_code is not 0.
struct Answer {
    grpc::Status status;
    int aos_code = 0;
    std::string message;
};

enum class Make { kOurs, kOther };

class FakeUnit final : public iamanager::v6::IAMProvisioningService::Service,
                       public iamanager::v6::IAMCertificateService::Service,
                       public iamanager::v6::IAMNodesService::Service,
                       public iamanager::v6::IAMPublicNodesService::Service,
                       public iamanager::v6::IAMPublicCertService::Service {
 public:
    // kOther serves the contract alone.
    explicit FakeUnit(Make make = Make::kOurs);
    ~FakeUnit() override;

    std::string address() const;

    void AddNode(const std::string& node_id, const std::string& state, bool connected = true);

    // What the next call of `method` for this node answers. The same after that as if nothing had been said: success.
    void Say(const std::string& method, const std::string& node_id, Answer answer);

    // One more certificate of the node, the newest of its type.
    void AddCertificate(const std::string& node_id, const std::string& type, absl::Time not_after,
                        const std::string& subject = "CN=unit", bool self_signed = false);
    // The alternative names that the CSRs of a node ask for.
    void SetNamesInCsr(const std::string& node_id, std::vector<std::string> names);

    // "StartProvisioning n1", "CreateKey n1 iam", in the order of their arrival.
    std::vector<std::string> Calls() const;
    // Of the calls that carried one.
    std::vector<std::string> Passwords() const;
    // What ApplyCert got.
    std::string Chain(const std::string& node_id, const std::string& type) const;

    grpc::Status StartProvisioning(grpc::ServerContext* context, const iamanager::v6::StartProvisioningRequest* request,
                                   iamanager::v6::StartProvisioningResponse* response) override;
    grpc::Status GetCertTypes(grpc::ServerContext* context, const iamanager::v6::GetCertTypesRequest* request,
                              iamanager::v6::CertTypes* response) override;
    grpc::Status FinishProvisioning(grpc::ServerContext* context,
                                    const iamanager::v6::FinishProvisioningRequest* request,
                                    iamanager::v6::FinishProvisioningResponse* response) override;
    grpc::Status Deprovision(grpc::ServerContext* context, const iamanager::v6::DeprovisionRequest* request,
                             iamanager::v6::DeprovisionResponse* response) override;
    grpc::Status CreateKey(grpc::ServerContext* context, const iamanager::v6::CreateKeyRequest* request,
                           iamanager::v6::CreateKeyResponse* response) override;
    grpc::Status ApplyCert(grpc::ServerContext* context, const iamanager::v6::ApplyCertRequest* request,
                           iamanager::v6::ApplyCertResponse* response) override;
    grpc::Status PauseNode(grpc::ServerContext* context, const iamanager::v6::PauseNodeRequest* request,
                           iamanager::v6::PauseNodeResponse* response) override;
    grpc::Status ResumeNode(grpc::ServerContext* context, const iamanager::v6::ResumeNodeRequest* request,
                            iamanager::v6::ResumeNodeResponse* response) override;
    grpc::Status GetAllNodeIDs(grpc::ServerContext* context, const google::protobuf::Empty* request,
                               iamanager::v6::NodesID* response) override;
    grpc::Status GetNodeInfo(grpc::ServerContext* context, const iamanager::v6::GetNodeInfoRequest* request,
                             iamanager::v6::NodeInfo* response) override;
    grpc::Status GetCert(grpc::ServerContext* context, const iamanager::v6::GetCertRequest* request,
                         iamanager::v6::CertInfo* response) override;

 private:
    class Directory;
    class Inspection;
    class Tokens;

    std::vector<provhub::v1::NodeStatus> Nodes() const;
    grpc::Status ListCertificates(const provhub::v1::ListCertificatesRequest& request,
                                  provhub::v1::ListCertificatesResponse& response);
    Answer Record(const std::string& method, const std::string& node_id, const std::string& detail = {});
    template <typename Request>
    void RecordPassword(const Request& request);
    template <typename Response>
    static grpc::Status Give(const Answer& answer, Response* response);

    mutable absl::Mutex mutex_;
    std::map<std::string, provhub::v1::NodeStatus> nodes_ ABSL_GUARDED_BY(mutex_);
    std::map<std::pair<std::string, std::string>, std::deque<Answer>> answers_ ABSL_GUARDED_BY(mutex_);
    std::vector<std::string> calls_ ABSL_GUARDED_BY(mutex_);
    std::vector<std::string> passwords_ ABSL_GUARDED_BY(mutex_);
    std::map<std::pair<std::string, std::string>, std::string> chains_ ABSL_GUARDED_BY(mutex_);

    std::map<std::string, std::vector<provhub::v1::Certificate>> certificates_ ABSL_GUARDED_BY(mutex_);
    std::map<std::string, std::vector<std::string>> names_in_csr_ ABSL_GUARDED_BY(mutex_);

    const crypto::EvpPkeyPtr key_;
    std::unique_ptr<provhub::v1::NodeDirectoryService::Service> directory_;
    std::unique_ptr<provhub::v1::InspectionService::Service> inspection_;
    std::unique_ptr<provhub::v1::JoinTokenService::Service> tokens_;
    int port_ = 0;
    std::unique_ptr<grpc::Server> server_;
};

}  // namespace provhub::provctl

#endif  // PROVHUB_TESTS_UNIT_TOOLS_FAKE_UNIT_H_
