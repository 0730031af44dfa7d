#include "tests/bench/forwarding_roles.h"

#include <grpcpp/security/server_credentials.h>

#include <cstdlib>
#include <iostream>

#include "common/service/listener.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "tests/bench/bench_process.h"
#include "tests/support/fake_unit.h"

namespace provhub::bench {
namespace {

using iamanager::v6::CreateKeyRequest;
using iamanager::v6::CreateKeyResponse;

// About the size of a CSR for P-384, PEM.
constexpr std::size_t kCsrBytes = 800;

void Answer(const CreateKeyRequest& request, CreateKeyResponse& response) {
    response.set_node_id(request.node_id());
    response.set_type(request.type());
    response.set_csr(std::string(kCsrBytes, 'A'));
}

class DirectService final : public iamanager::v6::IAMCertificateService::CallbackService {
 private:
    grpc::ServerUnaryReactor* CreateKey(grpc::CallbackServerContext* context, const CreateKeyRequest* request,
                                        CreateKeyResponse* response) override {
        Answer(*request, *response);
        auto* reactor = context->DefaultReactor();
        reactor->Finish(grpc::Status::OK);
        return reactor;
    }
};

class InstantOperations final : public node::NodeEndpoint {
 public:
    void Call(node::Request request, node::CallContext, node::Done done) override {
        node::Reply reply;
        Answer(request.create_key_request(), *reply.mutable_create_key_response());
        done(std::move(reply));
    }
};

}  // namespace

void RunHub() {
    test::FakeMainNode main_node;
    DirectService direct;
    const auto listener = service::Listener::Start(
        {"direct", "127.0.0.1:0", grpc::InsecureServerCredentials(), {static_cast<grpc::Service*>(&direct)}});
    if (!listener.ok()) {
        std::cerr << listener.status() << "\n";
        std::_Exit(EXIT_FAILURE);
    }
    std::cout << main_node.public_port() << "\n"
              << main_node.protected_port() << "\n"
              << (*listener)->port() << std::endl;
    if (!main_node.WaitForConnection(kAgentId)) {
        std::cerr << "the agent has not connected\n";
        std::_Exit(EXIT_FAILURE);
    }
    std::cout << "connected" << std::endl;
    WaitForEnd();
}

void RunAgent(const std::string& main_node) {
    const auto scheduler = runtime::CreateScheduler(1);
    InstantOperations operations;
    const test::FakeAgent agent(kAgentId, main_node, *scheduler, &operations);
    WaitForEnd();
}

}  // namespace provhub::bench
