// The certificates of the node that serves the call, as the contract shows them.
#ifndef PROVHUB_COMMON_SERVICE_PUBLIC_CERT_SERVICE_H_
#define PROVHUB_COMMON_SERVICE_PUBLIC_CERT_SERVICE_H_

#include "common/cert/cert_directory.h"
#include "common/runtime/scheduler.h"
#include "common/service/call_gate.h"
#include "iamanager/v6/iamanager.grpc.pb.h"

namespace provhub::service {

class PublicCertService final : public iamanager::v6::IAMPublicCertService::CallbackService {
 public:
    PublicCertService(cert::CertDirectory& certificates, runtime::Scheduler& scheduler, CallGate& streams)
        : certificates_(certificates), scheduler_(scheduler), streams_(streams) {}

    grpc::ServerUnaryReactor* GetCert(grpc::CallbackServerContext* context,
                                      const iamanager::v6::GetCertRequest* request,
                                      iamanager::v6::CertInfo* response) override;
    grpc::ServerWriteReactor<iamanager::v6::CertInfo>* SubscribeCertChanged(
        grpc::CallbackServerContext* context, const iamanager::v6::SubscribeCertChangedRequest* request) override;

 private:
    cert::CertDirectory& certificates_;
    runtime::Scheduler& scheduler_;
    CallGate& streams_;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_PUBLIC_CERT_SERVICE_H_
