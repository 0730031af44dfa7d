#include "secondarynode/agent_app.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/config/config.h"
#include "common/tls/channel_credentials.h"
#include "common/tls/ephemeral_identity.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "iamanager/version.grpc.pb.h"
#include "provhub/v1/provhub.grpc.pb.h"
#include "tests/support/scripted_hub.h"
#include "tests/support/temp_dir.h"

namespace provhub {
namespace {

using google::protobuf::Empty;
using testing::HasSubstr;
using testing::Lt;

class AgentAppTest : public testing::Test {
 protected:
    AgentAppTest() {
        const auto config = config::Load(dir_.Write("agent.json", absl::StrCat(R"({
            "iamPublicServerUrl": "127.0.0.1:0",
            "iamProtectedServerUrl": "127.0.0.1:0",
            "mainIamPublicServerUrl": ")",
                                                                               hub_.address(), R"(",
            "mainIamProtectedServerUrl": ")",
                                                                               hub_.address(), R"(",
            "workingDir": ")",
                                                                               dir_.File("work"), R"(",
            "provisioningTransport": "plaintext",
            "nodeInfo": {
                "nodeIdPath": ")",
                                                                               dir_.Write("node-id", "n1\n"), R"(",
                "nodeName": "first",
                "provisioningStatePath": ")",
                                                                               dir_.File("state"), R"("
            }
        })")),
                                         config::NodeKind::kSecondary);
        EXPECT_TRUE(config.ok()) << config.status();
        config_ = *config;
    }

    std::unique_ptr<AgentApp> Start() {
        auto app = AgentApp::Create(config_, /*provisioning_mode=*/true);
        EXPECT_TRUE(app.ok()) << app.status();
        return std::unique_ptr<AgentApp>(static_cast<AgentApp*>(app->release()));
    }

    static std::shared_ptr<grpc::Channel> Channel(int port) {
        return grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
    }

    std::shared_ptr<test::HubEnd> Register() {
        auto stream = hub_.Accept();
        EXPECT_NE(stream, nullptr);
        const auto first = stream->Receive();
        EXPECT_TRUE(first.has_value());
        EXPECT_EQ(first->node_info().node_id(), "n1");
        stream->Admit();
        return stream;
    }

    test::TempDir dir_;
    test::ScriptedHub hub_;
    config::v1::Config config_;
};

TEST_F(AgentAppTest, DoesNotStartInNormalModeAndSaysWhatToSet) {
    const auto app = AgentApp::Create(config_, /*provisioning_mode=*/false);
    EXPECT_EQ(app.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(app.status().message()), HasSubstr("certStorage"));
}

TEST_F(AgentAppTest, ShowsTheCertificateWhoseFingerprintItPublished) {
    config_.set_provisioning_transport("tls");
    const auto app = Start();
    const std::string fingerprint(absl::StripAsciiWhitespace(dir_.Read("work/server-fingerprint")));
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride(tls::kEphemeralServerName);
    for (const int port : {app->public_port(), app->protected_port()}) {
        const auto stub = iamanager::IAMVersionService::NewStub(grpc::CreateCustomChannel(
            absl::StrCat("127.0.0.1:", port), tls::FingerprintCredentials(tls::PinnedTo(fingerprint)), arguments));
        iamanager::APIVersion version;
        grpc::ClientContext context;
        const grpc::Status status = stub->GetAPIVersion(&context, Empty(), &version);
        EXPECT_TRUE(status.ok()) << status.error_message();
    }
}

TEST_F(AgentAppTest, DoesNotStartOnAPortThatIsTaken) {
    config_.set_iam_public_server_url(hub_.address());
    const auto app = AgentApp::Create(config_, /*provisioning_mode=*/true);
    EXPECT_EQ(app.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(app.status().message()), HasSubstr(hub_.address()));
}

TEST_F(AgentAppTest, ServesTheProgramsOfItsNodeOnBothListeners) {
    const auto app = Start();
    for (const int port : {app->public_port(), app->protected_port()}) {
        const auto channel = Channel(port);
        iamanager::APIVersion version;
        grpc::ClientContext version_context;
        EXPECT_TRUE(
            iamanager::IAMVersionService::NewStub(channel)->GetAPIVersion(&version_context, Empty(), &version).ok());
        EXPECT_EQ(version.version(), 6U);
        iamanager::v6::NodeInfo info;
        grpc::ClientContext info_context;
        EXPECT_TRUE(iamanager::v6::IAMPublicCurrentNodeService::NewStub(channel)
                        ->GetCurrentNodeInfo(&info_context, Empty(), &info)
                        .ok());
        EXPECT_EQ(info.node_id(), "n1");
        EXPECT_EQ(info.title(), "first");
        provhub::v1::ServerInfo server;
        grpc::ClientContext server_context;
        EXPECT_TRUE(provhub::v1::InspectionService::NewStub(channel)
                        ->GetServerInfo(&server_context, provhub::v1::GetServerInfoRequest(), &server)
                        .ok());
        EXPECT_FALSE(server.main_node());
        EXPECT_TRUE(server.provisioning_mode());
        iamanager::v6::CertInfo cert;
        grpc::ClientContext cert_context;
        iamanager::v6::GetCertRequest request;
        request.set_type("iam");
        EXPECT_EQ(
            iamanager::v6::IAMPublicCertService::NewStub(channel)->GetCert(&cert_context, request, &cert).error_code(),
            grpc::StatusCode::NOT_FOUND);
    }
}

TEST_F(AgentAppTest, OffersNoOperationsOnItsOwnListeners) {
    const auto app = Start();
    iamanager::v6::StartProvisioningRequest request;
    iamanager::v6::StartProvisioningResponse response;
    for (const int port : {app->public_port(), app->protected_port()}) {
        grpc::ClientContext context;
        EXPECT_EQ(iamanager::v6::IAMProvisioningService::NewStub(Channel(port))
                      ->StartProvisioning(&context, request, &response)
                      .error_code(),
                  grpc::StatusCode::UNIMPLEMENTED);
    }
}

TEST_F(AgentAppTest, CarriesOutWhatTheMainNodeAsksAndTellsOfTheNewStateFirst) {
    const auto app = Start();
    const auto stream = Register();
    node::Request start;
    start.set_request_id(1);
    start.mutable_start_provisioning_request()->set_password("password");
    node::Request finish;
    finish.set_request_id(2);
    finish.mutable_finish_provisioning_request()->set_password("password");
    std::string state;
    for (const auto& [request, id] : {std::pair(start, 1U), std::pair(finish, 2U)}) {
        stream->Send(request);
        auto message = stream->Receive();
        while (message.has_value() && message->has_node_info()) {
            state = message->node_info().state();
            message = stream->Receive();
        }
        ASSERT_TRUE(message.has_value());
        EXPECT_EQ(message->request_id(), id);
        EXPECT_EQ(message->status_code(), 0) << message->status_message();
        EXPECT_FALSE(message->start_provisioning_response().has_error());
        EXPECT_FALSE(message->finish_provisioning_response().has_error())
            << message->finish_provisioning_response().error().message();
    }
    EXPECT_EQ(state, "provisioned");
}

TEST_F(AgentAppTest, DrainsWithoutWaitingForClientsThatWatch) {
    const auto app = Start();
    const auto stream = Register();
    grpc::ClientContext context;
    const auto stub = iamanager::v6::IAMPublicCurrentNodeService::NewStub(Channel(app->public_port()));
    const auto changes = stub->SubscribeCurrentNodeChanged(&context, Empty());
    changes->WaitForInitialMetadata();
    std::thread hub([&] {
        stream->WaitUntilNodeEnded();
        stream->End(grpc::Status::OK);
    });
    const absl::Time begun = absl::Now();
    app->Drain(absl::Seconds(5));
    EXPECT_THAT(absl::Now() - begun, Lt(absl::Seconds(3)));
    hub.join();
    iamanager::v6::NodeInfo info;
    EXPECT_FALSE(changes->Read(&info));
    EXPECT_EQ(changes->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace provhub
