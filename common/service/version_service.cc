#include "common/service/version_service.h"

namespace provhub::service {
namespace {

// That of the package iamanager.v6.
constexpr int kApiVersion = 6;

}  // namespace

grpc::ServerUnaryReactor* VersionService::GetAPIVersion(grpc::CallbackServerContext* context,
                                                        const google::protobuf::Empty*,
                                                        iamanager::APIVersion* response) {
    response->set_version(kApiVersion);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
}

}  // namespace provhub::service
