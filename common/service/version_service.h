// The major version of the API.
#ifndef PROVHUB_COMMON_SERVICE_VERSION_SERVICE_H_
#define PROVHUB_COMMON_SERVICE_VERSION_SERVICE_H_

#include "iamanager/version.grpc.pb.h"

namespace provhub::service {

class VersionService final : public iamanager::IAMVersionService::CallbackService {
 public:
    grpc::ServerUnaryReactor* GetAPIVersion(grpc::CallbackServerContext* context,
                                            const google::protobuf::Empty* request,
                                            iamanager::APIVersion* response) override;
};

}  // namespace provhub::service

#endif  // PROVHUB_COMMON_SERVICE_VERSION_SERVICE_H_
