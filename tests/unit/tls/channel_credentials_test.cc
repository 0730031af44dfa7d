#include "common/tls/channel_credentials.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/tls/ephemeral_identity.h"
#include "iamanager/version.grpc.pb.h"

namespace provhub::tls {
namespace {

using ::testing::HasSubstr;

class Version final : public iamanager::IAMVersionService::Service {
    grpc::Status GetAPIVersion(grpc::ServerContext*, const google::protobuf::Empty*,
                               iamanager::APIVersion* version) override {
        version->set_version(6);
        return grpc::Status::OK;
    }
};

class FingerprintCredentialsTest : public ::testing::Test {
 protected:
    FingerprintCredentialsTest() : identity_(CreateEphemeralIdentity(absl::Now()).value()) {
        grpc::SslServerCredentialsOptions options;
        options.pem_key_cert_pairs.push_back({identity_.key_pem, identity_.certificate_pem});
        grpc::ServerBuilder builder;
        builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
        builder.RegisterService(&service_);
        server_ = builder.BuildAndStart();
    }

    grpc::Status Call(const std::shared_ptr<grpc::ChannelCredentials>& credentials) const {
        const auto stub =
            iamanager::IAMVersionService::NewStub(grpc::CreateChannel(absl::StrCat("127.0.0.1:", port_), credentials));
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
        iamanager::APIVersion version;
        return stub->GetAPIVersion(&context, {}, &version);
    }

    Version service_;
    EphemeralIdentity identity_;
    int port_ = 0;
    std::unique_ptr<grpc::Server> server_;
};

TEST_F(FingerprintCredentialsTest, ReachTheServerWhoseCertificateIsPinned) {
    const grpc::Status status = Call(FingerprintCredentials(PinnedTo(identity_.fingerprint)));
    EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(FingerprintCredentialsTest, RefuseAServerWithAnotherCertificate) {
    const EphemeralIdentity other = CreateEphemeralIdentity(absl::Now()).value();
    const grpc::Status status = Call(FingerprintCredentials(PinnedTo(other.fingerprint)));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(), HasSubstr(identity_.fingerprint));
}

TEST_F(FingerprintCredentialsTest, RefuseAServerThatSpeaksPlaintext) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    const auto plaintext_server = builder.BuildAndStart();
    EXPECT_EQ(Call(FingerprintCredentials(PinnedTo(identity_.fingerprint))).error_code(),
              grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace provhub::tls
