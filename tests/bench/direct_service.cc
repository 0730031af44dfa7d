#include "tests/bench/direct_service.h"

#include <string>

namespace provhub::bench {
namespace {

// Of the CSR that a simulated node gives.
constexpr std::size_t kCsrBytes = 560;

}  // namespace

grpc::ServerUnaryReactor* DirectService::CreateKey(grpc::CallbackServerContext* context,
                                                   const iamanager::v6::CreateKeyRequest* request,
                                                   iamanager::v6::CreateKeyResponse* response) {
    response->set_node_id(request->node_id());
    response->set_type(request->type());
    response->set_csr(std::string(kCsrBytes, 'A'));
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
}

}  // namespace provhub::bench
