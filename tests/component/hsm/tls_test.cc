#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"
#include "common/crypto/pkcs11_uri.h"
#include "common/hsm/engine.h"
#include "iamanager/version.grpc.pb.h"
#include "tests/support/softhsm.h"
#include "tests/support/test_ca.h"

namespace provhub::hsm {
namespace {

using crypto::Certificate;
using crypto::EvpPkeyPtr;
using crypto::KeyAlgorithm;
using crypto::Secret;
using test::SoftHsm;
using testing::HasSubstr;

using SslCtxPtr = std::unique_ptr<SSL_CTX, crypto::Deleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, crypto::Deleter<SSL_free>>;

constexpr char kUserPin[] = "0123456789abcdef01234567";

SslCtxPtr MakeContext(const SSL_METHOD* method, const Certificate& certificate, EVP_PKEY* key,
                      const Certificate& anchor) {
    SslCtxPtr context(SSL_CTX_new(method));
    SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
    EXPECT_EQ(SSL_CTX_use_certificate(context.get(), certificate.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), key), 1);
    EXPECT_EQ(X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), anchor.get()), 1);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return context;
}

// Both ends in turn, in this thread.
bool Handshake(SSL_CTX* client_context, SSL_CTX* server_context) {
    const SslPtr client(SSL_new(client_context));
    const SslPtr server(SSL_new(server_context));
    BIO* client_end = nullptr;
    BIO* server_end = nullptr;
    BIO_new_bio_pair(&client_end, 0, &server_end, 0);
    SSL_set_bio(client.get(), client_end, client_end);
    SSL_set_bio(server.get(), server_end, server_end);
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    for (int round = 0; round < 10; ++round) {
        for (SSL* ssl : {client.get(), server.get()}) {
            const int result = SSL_do_handshake(ssl);
            if (result != 1 && SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ) {
                return false;
            }
        }
        if (SSL_is_init_finished(client.get()) && SSL_is_init_finished(server.get())) {
            return true;
        }
    }
    return false;
}

std::string KeyPem(EVP_PKEY* key) {
    const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    const char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
}

class TlsTest : public testing::TestWithParam<KeyAlgorithm> {
 protected:
    void SetUp() override {
        const absl::Status status = hsm_->Initialise(Secret("so pin"), Secret(kUserPin));
        ASSERT_TRUE(status.ok()) << status;
        ASSERT_TRUE(hsm_->GenerateKeyPair("\x01\xff", "iam", GetParam()).ok());
    }

    Certificate IssueFor(EVP_PKEY* key) {
        const auto csr = crypto::CreateCsr(
            key,
            {"server", {crypto::ExtendedKeyUsage::kServerAuth, crypto::ExtendedKeyUsage::kClientAuth}, {"localhost"}});
        EXPECT_TRUE(csr.ok()) << csr.status();
        return ca_.IssueFor(*csr);
    }

    const SoftHsm softhsm_;
    const test::TestCa ca_{"CA"};
    const EvpPkeyPtr client_key_{EVP_EC_gen("P-384")};
    const Certificate client_certificate_ = ca_.Issue(client_key_.get(), "client");
    const std::unique_ptr<Hsm> hsm_ = softhsm_.Create("aoscore");
};

TEST_P(TlsTest, ServesTls13WithAKeyInTheToken) {
    const auto key = hsm_->LoadKey("\x01\xff");
    ASSERT_TRUE(key.ok()) << key.status();
    const Certificate certificate = IssueFor(key->get());
    const SslCtxPtr server = MakeContext(TLS_server_method(), certificate, key->get(), ca_.certificate());
    const SslCtxPtr client =
        MakeContext(TLS_client_method(), client_certificate_, client_key_.get(), ca_.certificate());
    EXPECT_TRUE(Handshake(client.get(), server.get()));
    // The other way round: the token's key on the client.
    const SslCtxPtr token_client = MakeContext(TLS_client_method(), certificate, key->get(), ca_.certificate());
    EXPECT_TRUE(Handshake(token_client.get(), server.get()));

    ASSERT_TRUE(hsm_->Close().ok());
    EXPECT_FALSE(Handshake(client.get(), server.get()));
    ERR_clear_error();
    ASSERT_TRUE(hsm_->Open(Secret(kUserPin)).ok());
    EXPECT_TRUE(Handshake(client.get(), server.get()));
}

class VersionService : public iamanager::IAMVersionService::Service {
 public:
    grpc::Status GetAPIVersion(grpc::ServerContext* context, const google::protobuf::Empty*,
                               iamanager::APIVersion* response) override {
        response->set_version(6);
        const auto names = context->auth_context()->FindPropertyValues("x509_common_name");
        return !names.empty() && names.front() == "client" ? grpc::Status::OK
                                                           : grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "who?");
    }
};

TEST_P(TlsTest, ServesAGrpcCallWithMutualTlsThroughTheEngine) {
    auto registration = RegisterWithEngine(*hsm_);
    ASSERT_TRUE(registration.ok()) << registration.status();
    const Certificate certificate = IssueFor(hsm_->LoadKey("\x01\xff")->get());
    const std::string uri = crypto::FormatPkcs11Uri({.token = "aoscore",
                                                     .object = "iam",
                                                     .id = "\x01\xff",
                                                     .type = "",
                                                     .module_path = SoftHsm::Library(),
                                                     .pin_source = "/pin"});
    grpc::SslServerCredentialsOptions server_options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    server_options.pem_root_certs = ca_.certificate().Pem();
    server_options.pem_key_cert_pairs.push_back({EngineKey(uri), certificate.Pem()});
    VersionService service;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(server_options), &port);
    builder.RegisterService(&service);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);

    const grpc::SslCredentialsOptions client_options{ca_.certificate().Pem(), KeyPem(client_key_.get()),
                                                     client_certificate_.Pem()};
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("localhost");
    const auto stub = iamanager::IAMVersionService::NewStub(
        grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port), grpc::SslCredentials(client_options), arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    iamanager::APIVersion response;
    const grpc::Status status = stub->GetAPIVersion(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.version(), 6u);
    server->Shutdown();
}

INSTANTIATE_TEST_SUITE_P(Keys, TlsTest, testing::Values(KeyAlgorithm::kEcP384, KeyAlgorithm::kRsa2048),
                         [](const auto& instance) { return instance.param == KeyAlgorithm::kEcP384 ? "Ec" : "Rsa"; });

}  // namespace
}  // namespace provhub::hsm
