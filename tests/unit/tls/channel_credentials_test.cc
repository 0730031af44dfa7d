#include "common/tls/channel_credentials.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"
#include "common/crypto/fingerprint.h"
#include "common/crypto/private_key.h"
#include "common/tls/ephemeral_identity.h"
#include "iamanager/version.grpc.pb.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_ca.h"

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

// A server with a certificate of a CA.
class VerifiedOrKnownCredentialsTest : public FingerprintCredentialsTest {
 protected:
    VerifiedOrKnownCredentialsTest() {
        grpc::SslServerCredentialsOptions options;
        options.pem_key_cert_pairs.push_back({crypto::PrivateKeyPem(key_.get()).value(), certificate_.Pem()});
        grpc::ServerBuilder builder;
        builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
        builder.RegisterService(&service_);
        certified_server_ = builder.BuildAndStart();
    }

    grpc::Status Call(const std::string& anchor, const std::string& server_name) {
        const std::shared_ptr<TrustAnchors> anchors = TrustAnchors::Load(dir_.Write("ca.pem", anchor)).value();
        return FingerprintCredentialsTest::Call(
            VerifiedOrKnownCredentials(anchors, server_name, [this](absl::string_view fingerprint) {
                ++asked_;
                return PinnedTo(pinned_)(fingerprint);
            }));
    }

    const test::TempDir dir_;
    const test::TestCa ca_{"CA"};
    const crypto::EvpPkeyPtr key_{EVP_EC_gen("P-384")};
    const crypto::Certificate certificate_ = Certify();
    std::unique_ptr<grpc::Server> certified_server_;
    std::string pinned_ = std::string(64, '0');
    std::atomic<int> asked_ = 0;

 private:
    crypto::Certificate Certify() const {
        const auto csr = crypto::CreateCsr(key_.get(), {.common_name = "main",
                                                        .extended_key_usage = {crypto::ExtendedKeyUsage::kServerAuth},
                                                        .alternative_names = {"main.local"}});
        return ca_.IssueFor(csr.value());
    }
};

TEST_F(VerifiedOrKnownCredentialsTest, ReachAServerThatAnAnchorVouchesForWithoutAskingTheCheck) {
    const grpc::Status status = Call(ca_.certificate().Pem(), "main.local");
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(asked_, 0);
}

TEST_F(VerifiedOrKnownCredentialsTest, ReachAServerThatIsKnownWhoeverIssuedItsCertificate) {
    pinned_ = crypto::Fingerprint(certificate_);
    const grpc::Status status = Call(test::TestCa("Another").certificate().Pem(), "main.local");
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(asked_, 1);
}

TEST_F(VerifiedOrKnownCredentialsTest, RefuseAServerThatNeitherAcceptsAndSayBothReasons) {
    const grpc::Status status = Call(test::TestCa("Another").certificate().Pem(), "main.local");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(), HasSubstr(crypto::Fingerprint(certificate_)));
    EXPECT_THAT(status.error_message(), HasSubstr("by caCert"));
}

TEST_F(VerifiedOrKnownCredentialsTest, RefuseAnotherServerOfTheSameAuthority) {
    const grpc::Status status = Call(ca_.certificate().Pem(), "other.local");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(), HasSubstr("other.local"));
}

}  // namespace
}  // namespace provhub::tls
