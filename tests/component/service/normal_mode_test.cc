// Who gets in at the listeners of normal mode, and what the others are told.
#include <grpcpp/impl/client_unary_call.h>

#include "common/runtime/atomic_file.h"
#include "tests/component/hub/grpc_standard_calls.h"
#include "tests/component/service/normal_mode_fixture.h"
#include "tests/support/status_matchers.h"

namespace provhub::service {
namespace {

using crypto::Certificate;
using test::TestCa;
using test::Validity;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

class NormalMode : public test::NormalModeFixture {
 protected:
    // Refused at the protected listener, at every method, before any handler, and told of.
    void ExpectRefused(const std::shared_ptr<const tls::Identity>& client, const std::string& reason) {
        const auto channel = Connect(protected_->port(), client);
        const grpc::Status status = Pause(channel);
        EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << status.error_message();
        EXPECT_THAT(status.error_message(), HasSubstr(reason));
        EXPECT_EQ(ListNodes(channel).error_code(), grpc::StatusCode::UNAUTHENTICATED);
        EXPECT_EQ(AskForHealth(channel).error_code(), grpc::StatusCode::UNAUTHENTICATED);
        EXPECT_THAT(nodes_.callers(), IsEmpty());
        ASSERT_GE(refusals().size(), 2U);
        EXPECT_EQ(refusals().front().method, "/iamanager.v6.IAMNodesService/PauseNode");
        EXPECT_EQ(refusals().front().reason.code(), absl::StatusCode::kUnauthenticated);
        EXPECT_FALSE(refusals().front().caller.authenticated);
    }

    static grpc::Status AskForHealth(const std::shared_ptr<grpc::Channel>& channel) {
        grpc::ClientContext context;
        Limit(context);
        const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check", grpc::internal::RpcMethod::NORMAL_RPC);
        google::protobuf::Empty response;
        return grpc::internal::BlockingUnaryCall(channel.get(), method, &context, google::protobuf::Empty(), &response);
    }

    Certificate Of(const TestCa& ca, const Validity& validity = {}) {
        return Certify(ca, client_key_.get(), "client", {kClient}, {kOperator}, validity);
    }
};

TEST_F(NormalMode, LetsAnOperatorInAndKnowsHim) {
    const auto client = Client({kOperator});
    const grpc::Status status = Pause(Connect(protected_->port(), client));
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_THAT(nodes_.callers(), SizeIs(1));
    const Caller caller = nodes_.callers().front();
    EXPECT_TRUE(caller.authenticated);
    EXPECT_THAT(caller.name, StartsWith("CN=client (sha256 "));
    EXPECT_EQ(caller.listener, "protected");
    EXPECT_THAT(caller.node_ids, IsEmpty());
    EXPECT_THAT(refusals(), IsEmpty());
}

TEST_F(NormalMode, LetsEveryVerifiedCallerReadAndAskForHealth) {
    const auto channel = Connect(protected_->port(), Client({}));
    const grpc::Status status = ListNodes(channel);
    EXPECT_TRUE(status.ok()) << status.error_message();
    protected_->SetServing(true);
    EXPECT_TRUE(test::IsServing(channel));
    EXPECT_THAT(test::ReflectedServices(channel), testing::Contains("iamanager.v6.IAMNodesService"));
}

TEST_F(NormalMode, RefusesACallerWithoutARoleByName) {
    const grpc::Status status = Pause(Connect(protected_->port(), Client({"urn:provhub:node:n1"})));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_THAT(status.error_message(), HasSubstr("no rule allows CN=client (sha256 "));
    EXPECT_THAT(status.error_message(), HasSubstr("to call /iamanager.v6.IAMNodesService/PauseNode"));
    ASSERT_THAT(refusals(), SizeIs(1));
    EXPECT_TRUE(refusals().front().caller.authenticated);
    EXPECT_THAT(refusals().front().caller.node_ids, ElementsAre("n1"));
    EXPECT_THAT(nodes_.callers(), IsEmpty());
}

TEST_F(NormalMode, RefusesACallerWithoutACertificate) {
    ExpectRefused(nullptr, "no client certificate");
}

TEST_F(NormalMode, RefusesAnExpiredCertificate) {
    ExpectRefused(Shown(Of(ca_, {absl::Now() - absl::Hours(2), absl::Now() - absl::Hours(1)})), "expired on ");
}

TEST_F(NormalMode, RefusesACertificateThatIsNotYetValid) {
    ExpectRefused(Shown(Of(ca_, {absl::Now() + absl::Hours(1), absl::Now() + absl::Hours(2)})), "not yet valid");
}

TEST_F(NormalMode, RefusesACertificateOfAnotherCa) {
    ExpectRefused(Shown(Of(TestCa("Another CA"))), "issuer 'CN=Another CA'");
}

TEST_F(NormalMode, RefusesACertificateOfAnotherCaWithTheSameName) {
    ExpectRefused(Shown(Of(TestCa("CA"))), "certificate");
}

TEST_F(NormalMode, RefusesASelfSignedCertificate) {
    const auto certificate = crypto::CreateSelfSigned(
        client_key_.get(), {.common_name = "me", .extended_key_usage = {kClient}, .alternative_names = {kOperator}},
        absl::Now() - absl::Hours(1), absl::Now() + absl::Hours(1));
    ASSERT_TRUE(certificate.ok()) << certificate.status();
    ExpectRefused(Shown(*certificate), "self-signed");
}

TEST_F(NormalMode, RefusesACertificateForServersOnly) {
    ExpectRefused(Shown(Certify(ca_, client_key_.get(), "client", {kServer}, {kOperator})), "clientAuth");
}

TEST_F(NormalMode, TakesAnIntermediateThatTheClientSends) {
    const TestCa intermediate(ca_, "Intermediate");
    const Certificate leaf = Of(intermediate);
    auto client = std::make_shared<tls::Identity>(*Shown(leaf));
    ExpectRefused(client, "issuer 'CN=Intermediate'");
    const Certificate another = Of(intermediate);
    client = std::make_shared<tls::Identity>(*Shown(another));
    client->chain_pem += intermediate.certificate().Pem();
    const grpc::Status status = Pause(Connect(protected_->port(), client));
    EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(NormalMode, ASessionGoesOnWithTheIdentityThatItBeganWith) {
    const TestCa intermediate(ca_, "Intermediate");
    const Certificate certificate =
        Certify(intermediate, client_key_.get(), "client", {kClient}, {"urn:provhub:node:n1"});
    auto identity = *Shown(certificate);
    identity.chain_pem += intermediate.certificate().Pem();
    const auto client = std::make_shared<const tls::Identity>(identity);
    const tls::SessionCache sessions;
    for (const bool resumed : {false, true}) {
        grpc::ClientContext context;
        Limit(context);
        provhub::v1::ListNodesResponse response;
        const grpc::Status status =
            provhub::v1::NodeDirectoryService::NewStub(Connect(protected_->port(), client, "localhost", &sessions))
                ->ListNodes(&context, {}, &response);
        EXPECT_TRUE(status.ok()) << status.error_message();
        EXPECT_EQ(context.auth_context()->FindPropertyValues("ssl_session_reused").at(0), resumed ? "true" : "false");
    }
    // The server has another identity, and knows nothing of sessions with the one before.
    identity_->Set(NewTokenIdentity());
    EXPECT_TRUE(ListNodes(Connect(protected_->port(), client, "localhost", &sessions)).ok());
}

TEST_F(NormalMode, ServesAnybodyAtThePublicListener) {
    const auto channel = Connect(public_->port(), nullptr);
    ASSERT_TRUE(ListNodes(channel).ok());
    ASSERT_TRUE(Pause(channel).ok());
    const Caller caller = nodes_.callers().front();
    EXPECT_FALSE(caller.authenticated);
    EXPECT_THAT(caller.name, StartsWith("anonymous ipv4:127.0.0.1:"));
    EXPECT_EQ(caller.listener, "public");
}

TEST_F(NormalMode, GoesByTheRulesOfTheConfiguration) {
    auto& rule = *config_.mutable_authorization()->add_rules();
    rule.set_name("pausers");
    rule.add_methods("/iamanager.v6.IAMNodesService/Pause*");
    rule.add_callers()->set_common_name("cli*");
    public_.reset();
    protected_.reset();
    Start();
    const auto channel = Connect(protected_->port(), Client({}));
    EXPECT_TRUE(Pause(channel).ok());
    EXPECT_EQ(ListNodes(channel).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(NormalMode, AClientRefusesAServerOfAnotherName) {
    const grpc::Status status = ListNodes(Connect(public_->port(), nullptr, "elsewhere"));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(), HasSubstr("is not for 'elsewhere' but for localhost"));
}

TEST_F(NormalMode, AClientRefusesAServerOfAnotherCa) {
    ASSERT_TRUE(runtime::WriteFileAtomically(anchors_path_, TestCa("Another CA").certificate().Pem(), 0600).ok());
    ASSERT_THAT(anchors_->Reload(), test::IsOk());
    const grpc::Status status = ListNodes(Connect(public_->port(), nullptr));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(), HasSubstr("leads to no trust anchor"));
}

TEST_F(NormalMode, FollowsTheTrustAnchorsWhileCallersAreConnected) {
    const TestCa new_ca("New CA");
    const auto old_channel = Connect(protected_->port(), Client({kOperator}));
    const auto new_client = Shown(Of(new_ca));
    ASSERT_TRUE(Pause(old_channel).ok());
    const auto new_channel = Connect(protected_->port(), new_client);
    EXPECT_EQ(Pause(new_channel).error_code(), grpc::StatusCode::UNAUTHENTICATED);

    const auto write = [&](const std::string& pem) { return runtime::WriteFileAtomically(anchors_path_, pem, 0600); };
    ASSERT_THAT(write(ca_.certificate().Pem() + new_ca.certificate().Pem()), test::IsOk());
    EXPECT_THAT(*anchors_->Reload(), true);
    EXPECT_TRUE(Pause(old_channel).ok());
    EXPECT_TRUE(Pause(new_channel).ok());

    ASSERT_THAT(write("garbage"), test::IsOk());
    EXPECT_THAT(anchors_->Reload(), test::IsError(absl::StatusCode::kFailedPrecondition, "caCert"));
    EXPECT_TRUE(Pause(old_channel).ok());

    ASSERT_THAT(write(new_ca.certificate().Pem()), test::IsOk());
    EXPECT_THAT(*anchors_->Reload(), true);
    EXPECT_EQ(Pause(old_channel).error_code(), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_TRUE(Pause(new_channel).ok());
}

TEST_F(NormalMode, ShowsANewIdentityToNewConnectionsWhileStreamsGoOn) {
    const auto client = Client({kOperator});
    const auto channel = Connect(protected_->port(), client);
    const auto stub = provhub::v1::NodeDirectoryService::NewStub(channel);
    grpc::ClientContext context;
    Limit(context);
    const auto stream = stub->WatchNodes(&context, {});
    stream->WaitForInitialMetadata();
    for (int i = 0; i < 3; ++i) {
        const tls::Identity next = NewTokenIdentity();
        identity_->Set(next);
        EXPECT_EQ(PeerFingerprint(Connect(protected_->port(), client)), next.fingerprint);
        EXPECT_EQ(PeerFingerprint(Connect(public_->port(), nullptr)), next.fingerprint);
        directory_.Tell();
        provhub::v1::NodeStatus change;
        EXPECT_TRUE(stream->Read(&change));
        EXPECT_TRUE(Pause(channel).ok());
    }
    context.TryCancel();
    stream->Finish();
}

TEST_F(NormalMode, GoesOnWithTheIdentityBeforeABadOne) {
    const std::string good = (*identity_->Current())->fingerprint;
    tls::Identity mixed = NewTokenIdentity();
    mixed.key = (*identity_->Current())->key;
    identity_->Set(mixed);
    EXPECT_EQ(PeerFingerprint(Connect(public_->port(), nullptr)), good);
}

TEST_F(NormalMode, DoesNotStartWithoutAnIdentity) {
    const auto listener = Listener::Start(
        {.name = "public",
         .address = "127.0.0.1:0",
         .credentials = tls::IdentityServerCredentials(std::make_shared<test::SettableIdentity>(), anchors_,
                                                       tls::ClientCertificate::kNotRequested, PublicCalls()),
         .services = {}});
    EXPECT_THAT(listener, test::IsError(absl::StatusCode::kFailedPrecondition, "public listener"));
}

TEST_F(NormalMode, DoesNotSpeakPlaintext) {
    grpc::ChannelArguments arguments;
    const auto channel = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", protected_->port()),
                                                   grpc::InsecureChannelCredentials(), arguments);
    EXPECT_EQ(Pause(channel).error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(nodes_.callers(), IsEmpty());
}

}  // namespace
}  // namespace provhub::service
