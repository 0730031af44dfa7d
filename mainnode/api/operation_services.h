// Provisioning, certificates and pausing of any node: what provisioning tools and orchestrators call.
#ifndef PROVHUB_MAINNODE_API_OPERATION_SERVICES_H_
#define PROVHUB_MAINNODE_API_OPERATION_SERVICES_H_

#include "iamanager/v6/iamanager.grpc.pb.h"
#include "mainnode/api/forwarder.h"

namespace provhub::api {

class ProvisioningService final : public iamanager::v6::IAMProvisioningService::CallbackService {
 public:
    explicit ProvisioningService(Forwarder& forwarder) : forwarder_(forwarder) {}

    grpc::ServerUnaryReactor* GetCertTypes(grpc::CallbackServerContext* context,
                                           const iamanager::v6::GetCertTypesRequest* request,
                                           iamanager::v6::CertTypes* response) override {
        return forwarder_.Forward(node::Request::kGetCertTypesRequest, context, *request, response);
    }
    grpc::ServerUnaryReactor* StartProvisioning(grpc::CallbackServerContext* context,
                                                const iamanager::v6::StartProvisioningRequest* request,
                                                iamanager::v6::StartProvisioningResponse* response) override {
        return forwarder_.Forward(node::Request::kStartProvisioningRequest, context, *request, response);
    }
    grpc::ServerUnaryReactor* FinishProvisioning(grpc::CallbackServerContext* context,
                                                 const iamanager::v6::FinishProvisioningRequest* request,
                                                 iamanager::v6::FinishProvisioningResponse* response) override {
        return forwarder_.Forward(node::Request::kFinishProvisioningRequest, context, *request, response);
    }
    grpc::ServerUnaryReactor* Deprovision(grpc::CallbackServerContext* context,
                                          const iamanager::v6::DeprovisionRequest* request,
                                          iamanager::v6::DeprovisionResponse* response) override {
        return forwarder_.Forward(node::Request::kDeprovisionRequest, context, *request, response);
    }

 private:
    Forwarder& forwarder_;
};

class CertificateService final : public iamanager::v6::IAMCertificateService::CallbackService {
 public:
    explicit CertificateService(Forwarder& forwarder) : forwarder_(forwarder) {}

    grpc::ServerUnaryReactor* CreateKey(grpc::CallbackServerContext* context,
                                        const iamanager::v6::CreateKeyRequest* request,
                                        iamanager::v6::CreateKeyResponse* response) override {
        return forwarder_.Forward(node::Request::kCreateKeyRequest, context, *request, response);
    }
    grpc::ServerUnaryReactor* ApplyCert(grpc::CallbackServerContext* context,
                                        const iamanager::v6::ApplyCertRequest* request,
                                        iamanager::v6::ApplyCertResponse* response) override {
        return forwarder_.Forward(node::Request::kApplyCertRequest, context, *request, response);
    }

 private:
    Forwarder& forwarder_;
};

class NodesService final : public iamanager::v6::IAMNodesService::CallbackService {
 public:
    explicit NodesService(Forwarder& forwarder) : forwarder_(forwarder) {}

    grpc::ServerUnaryReactor* PauseNode(grpc::CallbackServerContext* context,
                                        const iamanager::v6::PauseNodeRequest* request,
                                        iamanager::v6::PauseNodeResponse* response) override {
        return forwarder_.Forward(node::Request::kPauseNodeRequest, context, *request, response);
    }
    grpc::ServerUnaryReactor* ResumeNode(grpc::CallbackServerContext* context,
                                         const iamanager::v6::ResumeNodeRequest* request,
                                         iamanager::v6::ResumeNodeResponse* response) override {
        return forwarder_.Forward(node::Request::kResumeNodeRequest, context, *request, response);
    }

 private:
    Forwarder& forwarder_;
};

}  // namespace provhub::api

#endif  // PROVHUB_MAINNODE_API_OPERATION_SERVICES_H_
