#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"
#include "common/crypto/pkcs11_uri.h"
#include "tests/component/node/test_node.h"
#include "tests/support/status_matchers.h"

namespace provhub::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Provisioning, TakesANodeFromUnprovisionedToProvisionedAndKeepsItThereOverARestart) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    EXPECT_THAT(*node.Types(), ElementsAre("online", "offline", "iam"));
    for (const char* type : {"online", "offline", "iam"}) {
        ASSERT_THAT(node.Enrol(type), IsOk());
    }
    EXPECT_EQ(node.node().state(), node::NodeState::kUnprovisioned);
    ASSERT_THAT(node.Finish(), IsOk());
    EXPECT_EQ(node.node().state(), node::NodeState::kProvisioned);
    EXPECT_TRUE(absl::StartsWith(node.dir().Read("state"), "provisioned\n"));

    const auto before = node.Certificates();
    EXPECT_THAT(before, SizeIs(4));
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_EQ(node.node().state(), node::NodeState::kProvisioned);
    EXPECT_FALSE(node.node().Info().has_error()) << node.node().Info().error().message();
    EXPECT_EQ(node.Certificates(), before);
    node.ExpectEveryIdentityWorks();
}

TEST(Provisioning, DescribesACertificateByWhatThePromisedUrlNeeds) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto csr = node.CreateKey("iam");
    ASSERT_THAT(csr, IsOk());
    const auto info = node.ApplyCert("iam", node.Chain(*csr));
    ASSERT_THAT(info, IsOk());
    EXPECT_EQ(info->type(), "iam");
    EXPECT_EQ(info->issuer(), node.ca().certificate().SubjectDer());
    const auto record = node.core().certificates().Get("iam", info->issuer(), info->serial());
    ASSERT_THAT(record, IsOk());
    const crypto::Pkcs11Uri expected{.token = "core",
                                     .object = "iam",
                                     .id = record->object_id,
                                     .type = "",
                                     .module_path = "libfake.so",
                                     .pin_source = node.dir().File("pins/user")};
    EXPECT_EQ(info->key_url(), crypto::FormatPkcs11Uri(expected));
    EXPECT_EQ(info->cert_url(), info->key_url());
    EXPECT_EQ(record->subject, "CN=unit-1");
}

TEST(Provisioning, MakesTheSelfSignedCertificateInTheNameOfTheSystem) {
    TestNode node;
    node.config.mutable_identifier()->mutable_params()->set_system_id_path(node.dir().Write("system", "vin-7\n"));
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto disk = node.core().certificates().Get("disk", "", "");
    ASSERT_THAT(disk, IsOk());
    EXPECT_TRUE(disk->self_signed);
    EXPECT_EQ(disk->subject, "CN=vin-7");
    EXPECT_GT(disk->not_after, node.scheduler().Now() + absl::Hours(24 * 365 * 9));
}

TEST(Provisioning, OwnsEveryTokenOnlyOnce) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    EXPECT_EQ(node.token("cloud").Calls("Initialise"), 1);
    EXPECT_EQ(node.token("core").Calls("Initialise"), 1);
    EXPECT_THAT(node.token("core").VerifySoPin(crypto::Secret(kPassword)), IsOk());
}

TEST(Deprovisioning, ErasesEverythingAndLeavesTheNodeToAnotherPassword) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Provision(), IsOk());
    ASSERT_THAT(node.Deprovision(), IsOk());
    EXPECT_EQ(node.node().state(), node::NodeState::kUnprovisioned);
    EXPECT_EQ(node.node().phase(), node::Phase::kNone);
    EXPECT_THAT(node.Certificates(), IsEmpty());
    EXPECT_EQ(node.dir().Read("pins/user"), "");
    EXPECT_EQ(node.dir().Read("work/verifier"), "");
    EXPECT_TRUE(absl::IsPermissionDenied(node.token("core").VerifySoPin(crypto::Secret(kPassword))));

    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_FALSE(node.node().Info().has_error());
    ASSERT_THAT(node.Start("another one"), IsOk());
    EXPECT_EQ(node.dir().Read("work/release.pin"), "");
    ASSERT_THAT(node.CreateKey("iam", "another one"), IsOk());
    EXPECT_THAT(node.CreateKey("iam", kPassword), IsError(absl::StatusCode::kUnknown, "wrong password"));
}

TEST(Deprovisioning, IsAllowedHalfwayThroughProvisioning) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    ASSERT_THAT(node.Deprovision(), IsOk());
    EXPECT_THAT(node.Provision(), IsOk());
}

TEST(Renewing, KeepsMaxItemsCertificatesAndDropsTheOldest) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Provision(), IsOk());
    node.provisioning_mode = false;
    ASSERT_THAT(node.Boot(), IsOk());
    const auto first = *node.core().certificates().Get("online", "", "");
    ASSERT_THAT(node.Enrol("online"), IsOk());
    const auto second = *node.core().certificates().Get("online", "", "");
    EXPECT_THAT(node.core().certificates().Get("online", first.issuer_der, first.serial), IsOk());
    ASSERT_THAT(node.Enrol("online"), IsOk());
    EXPECT_TRUE(absl::IsNotFound(node.core().certificates().Get("online", first.issuer_der, first.serial).status()));
    EXPECT_THAT(node.core().certificates().Get("online", second.issuer_der, second.serial), IsOk());
    node.ExpectEveryIdentityWorks();
    // Two of online, one of offline, and the intermediate that they share.
    EXPECT_THAT(node.Objects("cloud"), SizeIs(4));
}

TEST(Renewing, ReplacesTheOnlyCertificateOfATypeOnlyWhenTheNewOneIsInUse) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Provision(), IsOk());
    const auto old = *node.core().certificates().Get("offline", "", "");
    const auto csr = node.CreateKey("offline");
    ASSERT_THAT(csr, IsOk());
    EXPECT_EQ(node.core().certificates().Get("offline", "", "")->serial, old.serial);
    ASSERT_THAT(node.ApplyCert("offline", node.Chain(*csr)), IsOk());
    EXPECT_NE(node.core().certificates().Get("offline", "", "")->serial, old.serial);
    EXPECT_THAT(node.Objects("cloud"), SizeIs(3));
}

TEST(Renewing, RemovesTheOldestCertificateAndNotThatOfTheOldestKey) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto early_key = *node.CreateKey("offline");
    const auto late_key = *node.CreateKey("offline");
    ASSERT_THAT(node.ApplyCert("offline", node.Chain(late_key)), IsOk());
    const auto last = node.ApplyCert("offline", node.Chain(early_key));
    ASSERT_THAT(last, IsOk());
    EXPECT_EQ(node.core().certificates().Get("offline", "", "")->serial, last->serial());
    node.ExpectEveryIdentityWorks();
}

TEST(Renewing, TellsListenersBeforeTheOldKeyIsRemovedAndListsOnlyWhatIsLeft) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Provision(), IsOk());
    const auto old = *node.core().certificates().Get("offline", "", "");
    bool old_key_was_there = false;
    const auto subscription = node.core().certificates().Subscribe([&](const cert::CertRecord& record) {
        EXPECT_EQ(node.core().certificates().Get("offline", "", "")->serial, record.serial);
        old_key_was_there = node.token("cloud").LoadKey(old.object_id).ok();
    });
    ASSERT_THAT(node.Enrol("offline"), IsOk());
    EXPECT_TRUE(old_key_was_there);
    EXPECT_TRUE(absl::IsNotFound(node.core().certificates().Get("offline", old.issuer_der, old.serial).status()));
    EXPECT_THAT(node.Certificates(), SizeIs(4));
}

// The URIs that CSRs of each type ask for.
std::map<std::string, std::vector<std::string>> UrisInCsrs(TestNode& node) {
    std::map<std::string, std::vector<std::string>> uris;
    EXPECT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.Start(), IsOk());
    const auto types = *node.Types();
    for (const std::string& type : types) {
        uris[type] = *crypto::VerifiedUrisOfCsr(*node.CreateKey(type));
    }
    return uris;
}

TEST(NodeIdentity, IsAskedForInTheCertificatesOfTheNodesOwnTls) {
    TestNode node;
    node.config.set_cert_storage("iam");
    node.config.mutable_node_identity()->set_uri_prefix("urn:provhub:node:");
    node.config.mutable_node_identity()->set_in_csr(true);
    const auto uris = UrisInCsrs(node);
    EXPECT_THAT(uris.at("iam"), ElementsAre("urn:provhub:node:node-1"));
    EXPECT_THAT(uris.at("online"), IsEmpty());
}

TEST(NodeIdentity, IsNotAskedForWhereTheConfigurationSaysSo) {
    TestNode node;
    node.config.set_cert_storage("iam");
    node.config.mutable_node_identity()->set_uri_prefix("urn:provhub:node:");
    node.config.mutable_node_identity()->set_in_csr(false);
    EXPECT_THAT(UrisInCsrs(node).at("iam"), IsEmpty());
}

TEST(NodeIdentity, IsInTheSelfSignedCertificateOfTheNodesOwnTls) {
    TestNode node;
    node.config.set_cert_storage("disk");
    node.config.mutable_node_identity()->set_uri_prefix("urn:provhub:node:");
    node.config.mutable_node_identity()->set_in_csr(true);
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto record = node.core().certificates().Get("disk", "", "");
    const auto der = node.token("core").ReadCertificate(record->object_id);
    ASSERT_THAT(der, IsOk());
    EXPECT_THAT(*der, HasSubstr("urn:provhub:node:node-1"));
}

TEST(Renewing, TellsListenersOfTheNewCertificate) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    std::vector<std::string> types;
    const auto subscription =
        node.core().certificates().Subscribe([&](const cert::CertRecord& record) { types.push_back(record.type); });
    ASSERT_THAT(node.Enrol("iam"), IsOk());
    ASSERT_THAT(node.Enrol("online"), IsOk());
    EXPECT_THAT(types, ElementsAre("iam", "online"));
}

TEST(PendingKeys, OutliveARestart) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto csr = node.CreateKey("iam");
    ASSERT_THAT(node.Boot(), IsOk());
    const auto info = node.ApplyCert("iam", node.Chain(*csr));
    EXPECT_THAT(info, IsOk());
    node.ExpectEveryIdentityWorks();
}

TEST(PendingKeys, AreSixteenAtMost) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    std::vector<std::string> requests;
    for (int i = 0; i < 17; ++i) {
        const auto csr = node.CreateKey("iam");
        ASSERT_THAT(csr, IsOk());
        requests.push_back(*csr);
    }
    EXPECT_TRUE(absl::IsInvalidArgument(node.ApplyCert("iam", node.Chain(requests[0])).status()));
    EXPECT_THAT(node.ApplyCert("iam", node.Chain(requests[1])), IsOk());
    EXPECT_THAT(node.ApplyCert("iam", node.Chain(requests[16])), IsOk());
}

TEST(PendingKeys, AreRemovedAfterADay) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto old = *node.CreateKey("iam");
    node.scheduler().Advance(absl::Hours(25));
    ASSERT_THAT(node.CreateKey("iam"), IsOk());
    EXPECT_TRUE(absl::IsInvalidArgument(node.ApplyCert("iam", node.Chain(old)).status()));
    node.scheduler().Advance(absl::Hours(25));
    const auto before = node.Objects("core").size();
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.Objects("core"), SizeIs(before - 1));
}

TEST(PendingKeys, AreGoneWhenProvisioningIsFinished) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    for (const char* type : {"online", "offline", "iam", "iam"}) {
        ASSERT_THAT(node.Enrol(type), IsOk());
    }
    ASSERT_THAT(node.CreateKey("iam"), IsOk());
    const auto before = node.Objects("core").size();
    ASSERT_THAT(node.Finish(), IsOk());
    EXPECT_THAT(node.Objects("core"), SizeIs(before - 1));
}

TEST(NodeState, MovesBetweenProvisionedAndPaused) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_TRUE(absl::IsFailedPrecondition(node.Pause()));
    ASSERT_THAT(node.Provision(), IsOk());
    EXPECT_TRUE(absl::IsFailedPrecondition(node.Resume()));
    ASSERT_THAT(node.Pause(), IsOk());
    node.provisioning_mode = false;
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_EQ(node.node().state(), node::NodeState::kPaused);
    EXPECT_THAT(node.Enrol("iam"), IsOk());
    EXPECT_THAT(node.Resume(), IsOk());
    EXPECT_EQ(node.node().state(), node::NodeState::kProvisioned);
}

TEST(NodeState, IsNotMovedInProvisioningModeUntilTheNodeIsProvisionedAgain) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Provision(), IsOk());
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.Pause(), IsError(absl::StatusCode::kFailedPrecondition, "restart it without --provisioning"));
    ASSERT_THAT(node.Deprovision(), IsOk());
    ASSERT_THAT(node.Provision(), IsOk());
    EXPECT_THAT(node.Pause(), IsOk());
}

}  // namespace
}  // namespace provhub::test
