// What operators ask of a node beyond the contract.
#ifndef PROVHUB_COMMON_SERVICE_INSPECTION_SERVICE_H_
#define PROVHUB_COMMON_SERVICE_INSPECTION_SERVICE_H_

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "common/cert/cert_directory.h"
#include "common/runtime/scheduler.h"
#include "provhub/v1/provhub.grpc.pb.h"

namespace provhub::service {

struct ServerFacts {
    std::string node_id;
    bool main_node = false;
    bool provisioning_mode = false;
};

// Serves ListCertificates of another node, in place of this one's.
using ForwardList = std::function<grpc::ServerUnaryReactor*(grpc::CallbackServerContext* context,
                                                            const provhub::v1::ListCertificatesRequest& request,
                                                            provhub::v1::ListCertificatesResponse* response)>;

class InspectionService final : public provhub::v1::InspectionService::CallbackService {
 public:
    // Without `forward` a request for another node is NotFound.
    InspectionService(ServerFacts facts, const cert::CertDirectory& certificates, runtime::Scheduler& scheduler,
                      ForwardList forward);

    grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                            const provhub::v1::GetServerInfoRequest* request,
                                            provhub::v1::ServerInfo* response) override;
    grpc::ServerUnaryReactor* ListCertificates(grpc::CallbackServerContext* context,
                                               const provhub::v1::ListCertificatesRequest* request,
                                               provhub::v1::ListCertificatesResponse* response) override;

 private:
    absl::Status List(const provhub::v1::ListCertificatesRequest& request,
                      provhub::v1::ListCertificatesResponse& response) const;

    const ServerFacts facts_;
    const cert::CertDirectory& certificates_;
    runtime::Scheduler& scheduler_;
    const ForwardList forward_;
    // On a clock that nobody sets.
    const absl::Duration started_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_INSPECTION_SERVICE_H_
