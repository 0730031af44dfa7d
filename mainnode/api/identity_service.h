// Who the unit is.
#ifndef PROVHUB_MAINNODE_API_IDENTITY_SERVICE_H_
#define PROVHUB_MAINNODE_API_IDENTITY_SERVICE_H_

#include "common/node/identity.h"
#include "common/runtime/scheduler.h"
#include "common/service/call_gate.h"
#include "iamanager/v6/iamanager.grpc.pb.h"

namespace provhub::api {

class IdentityService final : public iamanager::v6::IAMPublicIdentityService::CallbackService {
 public:
    IdentityService(node::Identity& identity, runtime::Scheduler& scheduler, service::CallGate& streams)
        : identity_(identity), scheduler_(scheduler), streams_(streams) {}

    grpc::ServerUnaryReactor* GetSystemInfo(grpc::CallbackServerContext* context,
                                            const google::protobuf::Empty* request,
                                            iamanager::v6::SystemInfo* response) override;
    grpc::ServerUnaryReactor* GetSubjects(grpc::CallbackServerContext* context, const google::protobuf::Empty* request,
                                          iamanager::v6::Subjects* response) override;
    grpc::ServerWriteReactor<iamanager::v6::Subjects>* SubscribeSubjectsChanged(
        grpc::CallbackServerContext* context, const google::protobuf::Empty* request) override;

 private:
    node::Identity& identity_;
    runtime::Scheduler& scheduler_;
    service::CallGate& streams_;
};

}  // namespace provhub::api

#endif  // PROVHUB_MAINNODE_API_IDENTITY_SERVICE_H_
