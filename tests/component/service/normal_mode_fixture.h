// Two listeners in normal mode, whose key is in a token, and clients with all kinds of certificates.
#ifndef PROVHUB_TESTS_COMPONENT_SERVICE_NORMAL_MODE_FIXTURE_H_
#define PROVHUB_TESTS_COMPONENT_SERVICE_NORMAL_MODE_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/config/rules.h"
#include "common/crypto/csr.h"
#include "common/crypto/fingerprint.h"
#include "common/crypto/pkcs11_uri.h"
#include "common/crypto/private_key.h"
#include "common/hsm/engine.h"
#include "common/service/authorizer.h"
#include "common/service/call_gate.h"
#include "common/service/caller.h"
#include "common/service/change_stream.h"
#include "common/service/listener.h"
#include "common/tls/channel_credentials.h"
#include "common/tls/server_credentials.h"
#include "common/tls/session_cache.h"
#include "iamanager/v6/iamanager.grpc.pb.h"
#include "provhub/v1/provhub.grpc.pb.h"
#include "tests/support/softhsm.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_ca.h"

namespace provhub::test {

// Holds what a test sets.
class SettableIdentity final : public tls::IdentitySource {
 public:
    void Set(tls::Identity identity) {
        absl::MutexLock lock(&mutex_);
        current_ = std::make_shared<const tls::Identity>(std::move(identity));
    }
    absl::StatusOr<std::shared_ptr<const tls::Identity>> Current() const override {
        absl::MutexLock lock(&mutex_);
        return current_;
    }
    runtime::Subscription Subscribe(std::function<void()> /*listener*/) override { return {}; }

 private:
    mutable absl::Mutex mutex_;
    absl::StatusOr<std::shared_ptr<const tls::Identity>> current_ = absl::FailedPreconditionError("none");
};

// Remembers who paused nodes.
class NodesProbe final : public iamanager::v6::IAMNodesService::CallbackService {
 public:
    grpc::ServerUnaryReactor* PauseNode(grpc::CallbackServerContext* context,
                                        const iamanager::v6::PauseNodeRequest* /*request*/,
                                        iamanager::v6::PauseNodeResponse* /*response*/) override {
        {
            absl::MutexLock lock(&mutex_);
            callers_.push_back(service::CallerOf(*context));
        }
        auto* reactor = context->DefaultReactor();
        reactor->Finish(grpc::Status::OK);
        return reactor;
    }

    std::vector<service::Caller> callers() const {
        absl::MutexLock lock(&mutex_);
        return callers_;
    }

 private:
    mutable absl::Mutex mutex_;
    std::vector<service::Caller> callers_ ABSL_GUARDED_BY(mutex_);
};

class DirectoryProbe final : public provhub::v1::NodeDirectoryService::CallbackService {
 public:
    grpc::ServerUnaryReactor* ListNodes(grpc::CallbackServerContext* context,
                                        const provhub::v1::ListNodesRequest* /*request*/,
                                        provhub::v1::ListNodesResponse* /*response*/) override {
        auto* reactor = context->DefaultReactor();
        reactor->Finish(grpc::Status::OK);
        return reactor;
    }
    grpc::ServerWriteReactor<provhub::v1::NodeStatus>* WatchNodes(
        grpc::CallbackServerContext* /*context*/, const provhub::v1::WatchNodesRequest* /*request*/) override {
        return service::ChangeStream<provhub::v1::NodeStatus>::Open(gate_, [this](auto push) {
            return changes_.Add([push](const provhub::v1::NodeStatus& status) { push("node", status); });
        });
    }

    void Tell() { changes_.Notify({}); }

 private:
    service::CallGate gate_{16};
    runtime::Listeners<provhub::v1::NodeStatus> changes_;
};

class NormalModeFixture : public ::testing::Test {
 protected:
    static constexpr crypto::ExtendedKeyUsage kClient = crypto::ExtendedKeyUsage::kClientAuth;
    static constexpr crypto::ExtendedKeyUsage kServer = crypto::ExtendedKeyUsage::kServerAuth;
    static constexpr char kOperator[] = "urn:provhub:role:operator";

    void SetUp() override {
        ASSERT_TRUE(hsm_->Initialise(crypto::Secret("so pin"), crypto::Secret("0123456789abcdef01234567")).ok());
        auto registration = hsm::RegisterWithEngine(*hsm_);
        ASSERT_TRUE(registration.ok()) << registration.status();
        registration_.emplace(*std::move(registration));
        anchors_path_ = dir_.Write("ca.pem", ca_.certificate().Pem());
        anchors_ = *tls::TrustAnchors::Load(anchors_path_);
        identity_->Set(NewTokenIdentity());
        config::FillDefaults(config_);
        Start();
    }

    void Start() {
        authorizer_ = std::make_shared<service::Authorizer>(config_, anchors_, [] { return absl::Now(); });
        authorizer_->OnRefused([this](const service::Refusal& refusal, auto done) {
            {
                absl::MutexLock lock(&mutex_);
                refusals_.push_back(refusal);
            }
            done();
        });
        public_ = Listen("public", tls::ClientCertificate::kNotRequested, service::PublicCalls());
        protected_ = Listen("protected", tls::ClientCertificate::kRequested, service::ProtectedCalls(authorizer_));
    }

    std::unique_ptr<service::Listener> Listen(const std::string& name, tls::ClientCertificate request,
                                              std::shared_ptr<tls::CallCheck> check) {
        auto listener = service::Listener::Start(
            {.name = name,
             .address = "127.0.0.1:0",
             .credentials = tls::IdentityServerCredentials(identity_, anchors_, request, check),
             .services = {&nodes_, &directory_}});
        EXPECT_TRUE(listener.ok()) << listener.status();
        return *std::move(listener);
    }

    // A certificate of the server's, with a new key in the token.
    tls::Identity NewTokenIdentity() {
        const std::string id(1, static_cast<char>(++last_id_));
        EXPECT_TRUE(hsm_->GenerateKeyPair(id, "iam", crypto::KeyAlgorithm::kEcP384).ok());
        const auto key = hsm_->LoadKey(id);
        EXPECT_TRUE(key.ok()) << key.status();
        const crypto::Certificate certificate = Certify(ca_, key->get(), "server", {kServer, kClient}, {"localhost"});
        const std::string url = crypto::FormatPkcs11Uri(
            {.token = "unit", .object = "iam", .id = id, .type = "", .module_path = "", .pin_source = ""});
        return {.chain_pem = certificate.Pem(),
                .key = hsm::EngineKey(url),
                .fingerprint = crypto::Fingerprint(certificate),
                .subject = certificate.Subject(),
                .not_after = certificate.not_after()};
    }

    static crypto::Certificate Certify(const TestCa& ca, EVP_PKEY* key, const std::string& name,
                                       const std::vector<crypto::ExtendedKeyUsage>& usage,
                                       const std::vector<std::string>& alternative_names,
                                       const Validity& validity = {}) {
        const auto csr = crypto::CreateCsr(
            key, {.common_name = name, .extended_key_usage = usage, .alternative_names = alternative_names});
        EXPECT_TRUE(csr.ok()) << csr.status();
        return ca.IssueFor(*csr, validity);
    }

    // What a client with this certificate of the file key shows.
    std::shared_ptr<const tls::Identity> Shown(const crypto::Certificate& certificate) {
        return std::make_shared<const tls::Identity>(tls::Identity{.chain_pem = certificate.Pem(),
                                                                   .key = *crypto::PrivateKeyPem(client_key_.get()),
                                                                   .fingerprint = "",
                                                                   .subject = "",
                                                                   .not_after = certificate.not_after()});
    }
    std::shared_ptr<const tls::Identity> Client(const std::vector<std::string>& alternative_names) {
        return Shown(Certify(ca_, client_key_.get(), "client", {kClient}, alternative_names));
    }

    std::shared_ptr<grpc::Channel> Connect(int port, std::shared_ptr<const tls::Identity> identity,
                                           const std::string& server_name = "localhost",
                                           const tls::SessionCache* sessions = nullptr) {
        grpc::ChannelArguments arguments;
        if (sessions != nullptr) {
            arguments.SetSslTargetNameOverride(server_name);
            sessions->AddTo(arguments);
        }
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port),
                                         tls::VerifiedCredentials(anchors_, server_name, std::move(identity)),
                                         arguments);
    }

    static void Limit(grpc::ClientContext& context) {
        context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    }

    static grpc::Status Pause(const std::shared_ptr<grpc::Channel>& channel) {
        grpc::ClientContext context;
        Limit(context);
        iamanager::v6::PauseNodeResponse response;
        return iamanager::v6::IAMNodesService::NewStub(channel)->PauseNode(&context, {}, &response);
    }
    static grpc::Status ListNodes(const std::shared_ptr<grpc::Channel>& channel) {
        grpc::ClientContext context;
        Limit(context);
        provhub::v1::ListNodesResponse response;
        return provhub::v1::NodeDirectoryService::NewStub(channel)->ListNodes(&context, {}, &response);
    }
    static std::string PeerFingerprint(const std::shared_ptr<grpc::Channel>& channel) {
        grpc::ClientContext context;
        Limit(context);
        provhub::v1::ListNodesResponse response;
        const auto status = provhub::v1::NodeDirectoryService::NewStub(channel)->ListNodes(&context, {}, &response);
        EXPECT_TRUE(status.ok()) << status.error_message();
        const auto pem = context.auth_context()->FindPropertyValues("x509_pem_cert");
        const auto certificates = crypto::ParsePemCertificates({pem.at(0).data(), pem.at(0).size()});
        return crypto::Fingerprint(certificates->front());
    }

    std::vector<service::Refusal> refusals() {
        absl::MutexLock lock(&mutex_);
        return refusals_;
    }

    const SoftHsm softhsm_;
    const TempDir dir_;
    const TestCa ca_{"CA"};
    const crypto::EvpPkeyPtr client_key_{EVP_EC_gen("P-384")};
    const std::unique_ptr<hsm::Hsm> hsm_ = softhsm_.Create("unit");
    std::optional<hsm::EngineRegistration> registration_;
    int last_id_ = 0;
    std::string anchors_path_;
    std::shared_ptr<tls::TrustAnchors> anchors_;
    const std::shared_ptr<SettableIdentity> identity_ = std::make_shared<SettableIdentity>();
    config::v1::Config config_;
    absl::Mutex mutex_;
    std::vector<service::Refusal> refusals_ ABSL_GUARDED_BY(mutex_);
    NodesProbe nodes_;
    DirectoryProbe directory_;
    std::shared_ptr<service::Authorizer> authorizer_;
    std::unique_ptr<service::Listener> public_;
    std::unique_ptr<service::Listener> protected_;
};

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_COMPONENT_SERVICE_NORMAL_MODE_FIXTURE_H_
