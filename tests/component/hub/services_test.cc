// What each listener serves, apart from operations of nodes.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <set>

#include "common/service/listen_address.h"
#include "iamanager/version.grpc.pb.h"
#include "tests/component/hub/grpc_standard_calls.h"
#include "tests/component/hub/main_node_fixture.h"

namespace provhub {
namespace {

using google::protobuf::Empty;
using iamanager::v6::IAMPublicNodesService;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

class ServicesTest : public MainNodeFixture {
 protected:
    void SetUp() override {
        MainNodeFixture::SetUp();
        public_ = Connect(PublicAddress());
        EnsureChannel();
    }

    // Reads on a thread, so that a missing message fails the test instead of stopping it.
    template <typename Message>
    static std::optional<Message> Next(grpc::ClientReader<Message>& reader) {
        Message message;
        auto read = std::async(std::launch::async, [&] { return reader.Read(&message); });
        return read.get() ? std::optional(message) : std::nullopt;
    }

    static void Limit(grpc::ClientContext& context) {
        context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    }

    v1::ListNodesResponse ListNodes(const v1::ListNodesRequest& request) {
        grpc::ClientContext context;
        v1::ListNodesResponse response;
        const auto status = v1::NodeDirectoryService::NewStub(public_)->ListNodes(&context, request, &response);
        EXPECT_TRUE(status.ok()) << status.error_message();
        return response;
    }

    static std::vector<std::string> Ids(const v1::ListNodesResponse& response) {
        std::vector<std::string> ids;
        for (const auto& node : response.nodes()) {
            ids.push_back(node.info().node_id());
        }
        return ids;
    }

    std::shared_ptr<grpc::Channel> public_;
};

TEST_F(ServicesTest, BothListenersSpeakVersionSix) {
    for (const auto& channel : {public_, protected_}) {
        grpc::ClientContext context;
        iamanager::APIVersion version;
        ASSERT_TRUE(iamanager::IAMVersionService::NewStub(channel)->GetAPIVersion(&context, Empty(), &version).ok());
        EXPECT_EQ(version.version(), 6u);
    }
}

TEST_F(ServicesTest, BothListenersSayThatTheyServe) {
    EXPECT_TRUE(test::IsServing(public_));
    EXPECT_TRUE(test::IsServing(protected_));
}

TEST_F(ServicesTest, OperationsAreServedByTheProtectedListenerAlone) {
    const auto on_public = test::ReflectedServices(public_);
    const auto on_protected = test::ReflectedServices(protected_);
    const std::set<std::string> everywhere = {"grpc.health.v1.Health",
                                              "iamanager.IAMVersionService",
                                              "iamanager.v6.IAMPublicIdentityService",
                                              "iamanager.v6.IAMPublicCurrentNodeService",
                                              "iamanager.v6.IAMPublicCertService",
                                              "iamanager.v6.IAMPublicNodesService",
                                              "provhub.v1.InspectionService",
                                              "provhub.v1.NodeDirectoryService"};
    EXPECT_THAT(on_public, IsSupersetOf(everywhere));
    EXPECT_THAT(on_protected, IsSupersetOf(everywhere));
    for (const std::string service : {"IAMNodesService", "IAMProvisioningService", "IAMCertificateService"}) {
        EXPECT_EQ(on_public.count("iamanager.v6." + service), 0u) << service;
        EXPECT_EQ(on_protected.count("iamanager.v6." + service), 1u) << service;
    }
    grpc::ClientContext context;
    iamanager::v6::DeprovisionResponse response;
    EXPECT_EQ(
        iamanager::v6::IAMProvisioningService::NewStub(public_)->Deprovision(&context, {}, &response).error_code(),
        grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(ServicesTest, ASecondServerOnTheSamePortIsRefusedAndToldWhy) {
    MainNodeOptions options = options_;
    options.registry_path = dir_.File("other.db");
    options.join_tokens_path = dir_.File("other_tokens.db");
    options.public_address = PublicAddress();
    const auto second =
        MainNode::Start(options, {grpc::InsecureServerCredentials(), grpc::InsecureServerCredentials(), ""}, core_,
                        identity_, *scheduler_);
    ASSERT_FALSE(second.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
    EXPECT_THAT(std::string(second.status().message()), HasSubstr(PublicAddress()));
    EXPECT_THAT(std::string(second.status().message()), HasSubstr("Address already in use"));
}

TEST_F(ServicesTest, TellsWhoTheUnitIs) {
    auto stub = iamanager::v6::IAMPublicIdentityService::NewStub(public_);
    iamanager::v6::SystemInfo info;
    {
        grpc::ClientContext context;
        EXPECT_EQ(stub->GetSystemInfo(&context, Empty(), &info).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    }
    identity_.SetSystem({.system_id = "unit-1", .unit_model = "model", .version = "1.0"});
    grpc::ClientContext context;
    ASSERT_TRUE(stub->GetSystemInfo(&context, Empty(), &info).ok());
    EXPECT_EQ(info.system_id(), "unit-1");
    EXPECT_EQ(info.unit_model(), "model");
    EXPECT_EQ(info.version(), "1.0");
}

TEST_F(ServicesTest, TellsOfChangedSubjects) {
    auto stub = iamanager::v6::IAMPublicIdentityService::NewStub(public_);
    grpc::ClientContext context;
    Limit(context);
    auto reader = stub->SubscribeSubjectsChanged(&context, Empty());
    reader->WaitForInitialMetadata();
    identity_.SetSubjects({"a", "b"});
    EXPECT_THAT(Next(*reader)->subjects(), ElementsAre("a", "b"));
    context.TryCancel();
    reader->Finish();
}

TEST_F(ServicesTest, TellsOfTheCurrentNodeAndItsChanges) {
    auto stub = iamanager::v6::IAMPublicCurrentNodeService::NewStub(public_);
    grpc::ClientContext stream_context;
    Limit(stream_context);
    auto reader = stub->SubscribeCurrentNodeChanged(&stream_context, Empty());
    reader->WaitForInitialMetadata();
    ASSERT_TRUE(core_.current_node().Move(node::NodeState::kProvisioned, node::Phase::kNone).ok());
    EXPECT_EQ(Next(*reader)->state(), "provisioned");
    grpc::ClientContext context;
    iamanager::v6::NodeInfo info;
    ASSERT_TRUE(stub->GetCurrentNodeInfo(&context, Empty(), &info).ok());
    EXPECT_EQ(info.node_id(), "main");
    EXPECT_EQ(info.state(), "provisioned");
    stream_context.TryCancel();
    reader->Finish();
}

TEST_F(ServicesTest, ShowsCertificatesAndTellsOfNewOnesOfTheType) {
    auto stub = iamanager::v6::IAMPublicCertService::NewStub(public_);
    grpc::ClientContext stream_context;
    Limit(stream_context);
    iamanager::v6::SubscribeCertChangedRequest subscription;
    subscription.set_type("online");
    auto reader = stub->SubscribeCertChanged(&stream_context, subscription);
    reader->WaitForInitialMetadata();
    cert::CertRecord record;
    record.serial = "0A";
    record.issuer_der = "issuer";
    record.cert_url = "pkcs11:c";
    record.key_url = "pkcs11:k";
    record.type = "iam";
    core_.certificates().Add(record);
    record.type = "online";
    core_.certificates().Add(record);
    const auto told = Next(*reader);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->type(), "online");
    EXPECT_EQ(told->serial(), "0A");
    EXPECT_EQ(told->issuer(), "issuer");
    EXPECT_EQ(told->cert_url(), "pkcs11:c");
    EXPECT_EQ(told->key_url(), "pkcs11:k");
    stream_context.TryCancel();
    reader->Finish();

    iamanager::v6::GetCertRequest request;
    request.set_type("online");
    iamanager::v6::CertInfo info;
    {
        grpc::ClientContext context;
        ASSERT_TRUE(stub->GetCert(&context, request, &info).ok());
        EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(info, *told));
    }
    request.set_type("none");
    grpc::ClientContext context;
    EXPECT_EQ(stub->GetCert(&context, request, &info).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServicesTest, ASubscriptionForACertificateTypeThatIsNoneIsRefused) {
    grpc::ClientContext context;
    iamanager::v6::SubscribeCertChangedRequest subscription;
    subscription.set_type("none");
    auto reader = iamanager::v6::IAMPublicCertService::NewStub(public_)->SubscribeCertChanged(&context, subscription);
    EXPECT_FALSE(Next(*reader));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServicesTest, ListsTheNodesOfTheUnit) {
    auto agent = Agent("n1");
    auto stub = IAMPublicNodesService::NewStub(public_);
    iamanager::v6::NodesID ids;
    {
        grpc::ClientContext context;
        ASSERT_TRUE(stub->GetAllNodeIDs(&context, Empty(), &ids).ok());
    }
    EXPECT_THAT(ids.ids(), ElementsAre("main", "n1"));
    iamanager::v6::GetNodeInfoRequest request;
    iamanager::v6::NodeInfo info;
    const auto get = [&](const std::string& id) {
        grpc::ClientContext context;
        request.set_node_id(id);
        return stub->GetNodeInfo(&context, request, &info);
    };
    ASSERT_TRUE(get("n1").ok());
    EXPECT_EQ(info.node_id(), "n1");
    ASSERT_TRUE(get("").ok());
    EXPECT_EQ(info.node_id(), "main");
    EXPECT_EQ(get("nobody").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServicesTest, TellsOfChangedNodesInBothForms) {
    grpc::ClientContext nodes_context;
    grpc::ClientContext watch_context;
    Limit(nodes_context);
    Limit(watch_context);
    auto nodes_stub = IAMPublicNodesService::NewStub(public_);
    auto directory_stub = v1::NodeDirectoryService::NewStub(public_);
    auto nodes = nodes_stub->SubscribeNodeChanged(&nodes_context, Empty());
    auto watch = directory_stub->WatchNodes(&watch_context, {});
    nodes->WaitForInitialMetadata();
    watch->WaitForInitialMetadata();
    auto agent = Agent("n1");
    EXPECT_EQ(Next(*nodes)->node_id(), "n1");
    EXPECT_TRUE(Next(*watch)->connected());
    agent->SendInfo(test::AgentInfo("n1", "provisioned"));
    EXPECT_EQ(Next(*nodes)->state(), "provisioned");
    EXPECT_EQ(Next(*watch)->info().state(), "provisioned");
    agent.reset();
    const auto gone = Next(*watch);
    EXPECT_FALSE(gone->connected());
    EXPECT_GT(gone->changed().seconds(), 0);
    nodes_context.TryCancel();
    watch_context.TryCancel();
    nodes->Finish();
    watch->Finish();
}

TEST_F(ServicesTest, ASlowWatcherHoldsUpNobodyAndGetsTheNewestState) {
    grpc::ClientContext context;
    Limit(context);
    auto stub = v1::NodeDirectoryService::NewStub(public_);
    auto watch = stub->WatchNodes(&context, {});
    watch->WaitForInitialMetadata();
    auto agent = Agent("n1");
    auto info = test::AgentInfo("n1");
    for (int i = 0; i < 300; ++i) {
        info.set_title(std::to_string(i) + std::string(50'000, 'x'));
        agent->SendInfo(info);
    }
    ASSERT_TRUE(Eventually([&] { return main_node_->registry().Find("n1")->info().title().substr(0, 4) == "299x"; }));
    int read = 0;
    std::optional<v1::NodeStatus> status;
    do {
        status = Next(*watch);
        ASSERT_TRUE(status);
        ++read;
    } while (status->info().title().substr(0, 4) != "299x");
    EXPECT_LT(read, 300);
    context.TryCancel();
    watch->Finish();
}

TEST_F(ServicesTest, TheDirectoryGivesPagesAndFilters) {
    std::vector<std::unique_ptr<test::ScriptedAgent>> agents;
    for (int i = 0; i < 5; ++i) {
        agents.push_back(std::make_unique<test::ScriptedAgent>(
            PublicAddress(), test::AgentInfo("n" + std::to_string(i), i % 2 == 0 ? "provisioned" : "paused")));
    }
    v1::ListNodesRequest request;
    request.set_page_size(4);
    auto page = ListNodes(request);
    EXPECT_THAT(Ids(page), ElementsAre("main", "n0", "n1", "n2"));
    request.set_page_token(page.next_page_token());
    page = ListNodes(request);
    EXPECT_THAT(Ids(page), ElementsAre("n3", "n4"));
    EXPECT_EQ(page.next_page_token(), "");

    v1::ListNodesRequest paused;
    paused.add_states("paused");
    EXPECT_THAT(Ids(ListNodes(paused)), ElementsAre("n1", "n3"));

    agents[0].reset();
    ASSERT_TRUE(Eventually([&] { return !IsConnected("n0"); }));
    v1::ListNodesRequest connected;
    connected.set_connected_only(true);
    EXPECT_THAT(Ids(ListNodes(connected)), ElementsAre("main", "n1", "n2", "n3", "n4"));

    grpc::ClientContext context;
    v1::ListNodesResponse response;
    v1::ListNodesRequest wrong;
    wrong.add_states("ready");
    EXPECT_EQ(v1::NodeDirectoryService::NewStub(public_)->ListNodes(&context, wrong, &response).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServicesTest, SaysWhatServerItIsAndWhatCertificatesItHas) {
    auto stub = v1::InspectionService::NewStub(public_);
    v1::ServerInfo info;
    {
        grpc::ClientContext context;
        ASSERT_TRUE(stub->GetServerInfo(&context, {}, &info).ok());
    }
    EXPECT_EQ(info.node_id(), "main");
    EXPECT_TRUE(info.main_node());
    EXPECT_TRUE(info.provisioning_mode());
    EXPECT_THAT(info.version(), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));

    cert::CertRecord record;
    record.type = "online";
    record.subject = "CN=x";
    record.not_before = absl::FromUnixSeconds(100);
    record.not_after = absl::FromUnixSeconds(200);
    core_.certificates().Add(record);
    record.type = "iam";
    core_.certificates().Add(record);
    v1::ListCertificatesRequest request;
    request.add_types("online");
    v1::ListCertificatesResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(stub->ListCertificates(&context, request, &response).ok());
    ASSERT_EQ(response.certificates_size(), 1);
    EXPECT_EQ(response.certificates(0).info().type(), "online");
    EXPECT_EQ(response.certificates(0).subject(), "CN=x");
    EXPECT_EQ(response.certificates(0).not_after().seconds(), 200);
}

TEST(ParseListenAddress, KnowsTheFormsOfAnAddress) {
    const auto text = [](absl::string_view address) { return service::ParseListenAddress(address)->ToString(); };
    EXPECT_EQ(text(":8090"), "[::]:8090");
    EXPECT_EQ(text("127.0.0.1:0"), "127.0.0.1:0");
    EXPECT_EQ(text("[::1]:1"), "[::1]:1");
    EXPECT_EQ(text("localhost:65535"), "localhost:65535");
    for (const std::string wrong : {"", "8090", "host", "host:", "host:x", "host:65536", "host:-1", "::1:80", "[::1:80",
                                    "[]:80", "unix:/tmp/x:1", "a b:1", "h:080808"}) {
        EXPECT_TRUE(absl::IsInvalidArgument(service::ParseListenAddress(wrong).status())) << wrong;
    }
}

TEST(CheckCanListen, NamesAddressesThatAreNotOfThisMachine) {
    const auto status = service::CheckCanListen({"192.0.2.1", 1});
    EXPECT_TRUE(absl::IsFailedPrecondition(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr("192.0.2.1:1"));
}

}  // namespace
}  // namespace provhub
