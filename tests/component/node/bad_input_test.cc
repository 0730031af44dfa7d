#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/component/node/test_node.h"
#include "tests/support/status_matchers.h"

namespace provhub::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// As the contract's error table gives them back; PermissionDenied has no number of its own there.
constexpr auto kWrongState = absl::StatusCode::kFailedPrecondition;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kDenied = absl::StatusCode::kUnknown;

// A node whose provisioning has started, and what must not change.
class BadInput : public ::testing::Test {
 protected:
    void SetUp() override {
        ASSERT_THAT(node_.Boot(), IsOk());
        ASSERT_THAT(node_.Start(), IsOk());
        ASSERT_THAT(node_.Enrol("iam"), IsOk());
        csr_ = *node_.CreateKey("iam");
        Remember();
    }
    void TearDown() override {
        EXPECT_EQ(node_.Certificates(), records_);
        EXPECT_EQ(node_.Objects("core").size(), core_objects_);
        EXPECT_EQ(node_.Objects("cloud").size(), cloud_objects_);
        EXPECT_EQ(node_.node().state(), node::NodeState::kUnprovisioned);
        EXPECT_EQ(node_.node().phase(), node::Phase::kStarted);
        node_.ExpectEveryIdentityWorks();
    }
    void Remember() {
        records_ = node_.Certificates();
        core_objects_ = node_.Objects("core").size();
        cloud_objects_ = node_.Objects("cloud").size();
    }

    TestNode node_;
    // Of a pending key of "iam".
    std::string csr_;
    std::vector<cert::CertRecord> records_;
    std::size_t core_objects_ = 0;
    std::size_t cloud_objects_ = 0;
};

TEST_F(BadInput, AnotherNodesIdIsNotServed) {
    auto request = CreateKeyRequest("iam", kPassword, "unit-1");
    request.mutable_create_key_request()->set_node_id("node-2");
    EXPECT_THAT(node_.Call(request), IsError(absl::StatusCode::kNotFound, "node-2"));
}

TEST_F(BadInput, AnUnknownRequestIsSaidToBeUnknown) {
    EXPECT_THAT(node_.Call(node::Request()), IsError(absl::StatusCode::kUnimplemented, ""));
}

TEST_F(BadInput, AnUnknownCertificateTypeIsNamed) {
    EXPECT_THAT(node_.CreateKey("nosuch"), IsError(absl::StatusCode::kNotFound, "'nosuch'"));
    EXPECT_THAT(node_.ApplyCert("nosuch", node_.Chain(csr_)), IsError(absl::StatusCode::kNotFound, "'nosuch'"));
    EXPECT_THAT(node_.CreateKey(""), IsError(absl::StatusCode::kNotFound, ""));
}

TEST_F(BadInput, ASelfSignedTypeIsNotEnrolled) {
    EXPECT_THAT(node_.CreateKey("disk"), IsError(kWrongState, "self-signed"));
    EXPECT_THAT(node_.ApplyCert("disk", node_.Chain(csr_)), IsError(kWrongState, "self-signed"));
}

TEST_F(BadInput, AWrongPasswordChangesNothing) {
    EXPECT_THAT(node_.CreateKey("iam", "wrong horse"), IsError(kDenied, "wrong password"));
    EXPECT_THAT(node_.Finish("wrong horse"), IsError(kDenied, "wrong password"));
    EXPECT_THAT(node_.Deprovision("wrong horse"), IsError(kDenied, "wrong password"));
}

TEST_F(BadInput, APasswordThatNoTokenTakesIsRefused) {
    for (const std::string& password : {std::string(), std::string("abc"), std::string(256, 'x')}) {
        EXPECT_THAT(node_.CreateKey("iam", password), IsError(kInvalid, "password"));
        EXPECT_THAT(node_.Start(password), IsError(kInvalid, "password"));
        EXPECT_THAT(node_.Finish(password), IsError(kInvalid, "password"));
        EXPECT_THAT(node_.Deprovision(password), IsError(kInvalid, "password"));
    }
}

TEST_F(BadInput, ASubjectThatIsNoCommonNameIsRefused) {
    for (const std::string& subject :
         {std::string(), std::string(65, 'x'), std::string("a,O=b"), std::string("a\nb")}) {
        EXPECT_THAT(node_.CreateKey("iam", kPassword, subject), IsError(kInvalid, "")) << subject;
    }
}

TEST_F(BadInput, GarbageIsNoChain) {
    for (const std::string& pem :
         {std::string(), std::string("garbage"),
          std::string("-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n"), csr_}) {
        EXPECT_THAT(node_.ApplyCert("iam", pem), IsError(kInvalid, "")) << pem;
    }
}

TEST_F(BadInput, TheChainOfAnotherKeyIsRefused) {
    const TestCa stranger(node_.ca(), "Stranger");
    EXPECT_THAT(node_.ApplyCert("iam", absl::StrCat(stranger.certificate().Pem(), node_.ca().certificate().Pem())),
                IsError(kInvalid, "none of the pending keys"));
}

TEST_F(BadInput, TheChainOfAnotherTypesKeyIsRefused) {
    EXPECT_THAT(node_.ApplyCert("online", node_.Chain(csr_)), IsError(kWrongState, "CreateKey"));
}

TEST_F(BadInput, AChainThatDoesNotEndAtTheAnchorIsRefused) {
    const TestCa other_root("Other root");
    const std::string pem = absl::StrCat(other_root.IssueFor(csr_).Pem(), other_root.certificate().Pem());
    EXPECT_THAT(node_.ApplyCert("iam", pem), IsError(kInvalid, ""));
}

TEST_F(BadInput, AChainWhoseSignatureDoesNotVerifyIsRefused) {
    const TestCa impostor("Intermediate");
    const std::string pem = absl::StrCat(impostor.IssueFor(csr_).Pem(), node_.ca().certificate().Pem());
    EXPECT_THAT(node_.ApplyCert("iam", pem), IsError(kInvalid, ""));
}

TEST_F(BadInput, AChainWithoutItsIntermediateIsRefused) {
    EXPECT_THAT(node_.ApplyCert("iam", node_.ca().IssueFor(csr_).Pem()), IsError(kInvalid, ""));
}

TEST_F(BadInput, AnExpiredLeafIsRefused) {
    const absl::Time now = node_.scheduler().Now();
    const auto leaf = node_.ca().IssueFor(csr_, {now - absl::Hours(2), now - absl::Hours(1)});
    EXPECT_THAT(node_.ApplyCert("iam", absl::StrCat(leaf.Pem(), node_.ca().certificate().Pem())),
                IsError(kWrongState, "expired"));
}

TEST_F(BadInput, ACertificateThatIsInUseAlreadyIsNotAppliedAgain) {
    const auto csr = node_.CreateKey("online");
    const std::string pem = node_.Chain(*csr);
    ASSERT_THAT(node_.ApplyCert("online", pem), IsOk());
    Remember();
    EXPECT_THAT(node_.ApplyCert("online", pem), IsError(absl::StatusCode::kAlreadyExists, ""));
}

TEST_F(BadInput, ApplyCertWithoutCreateKeySaysWhatIsMissing) {
    EXPECT_THAT(node_.ApplyCert("offline", node_.root().certificate().Pem()), IsError(kWrongState, "CreateKey first"));
}

TEST_F(BadInput, FinishNamesEveryTypeThatIsMissing) {
    EXPECT_THAT(node_.Finish(), IsError(kWrongState, "online, offline"));
}

TEST_F(BadInput, StartingTwiceIsRefused) {
    EXPECT_THAT(node_.Start(), IsError(kWrongState, "started already"));
}

TEST_F(BadInput, ACaFileThatHoldsNoCertificatesIsNamed) {
    node_.dir().Write("ca.pem", "not a certificate");
    EXPECT_THAT(node_.ApplyCert("iam", node_.Chain(csr_)), IsError(kWrongState, node_.config.ca_cert()));
}

TEST(ApplyCert, TakesTheLeafInAnyPlaceAndTheRootToo) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto csr = node.CreateKey("iam");
    const std::string pem = absl::StrCat("some text\n", node.root().certificate().Pem(), node.ca().certificate().Pem(),
                                         node.ca().IssueFor(*csr).Pem());
    EXPECT_THAT(node.ApplyCert("iam", pem), IsOk());
    // disk, iam and one intermediate: a root is not stored.
    EXPECT_THAT(node.Objects("core"), SizeIs(3));
}

TEST(ApplyCert, VerifiesUpToTheRootOfTheChainWhereNoAnchorIsThereYet) {
    TestNode node;
    node.config.set_ca_cert(node.dir().File("later.pem"));
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto csr = node.CreateKey("iam");
    EXPECT_THAT(node.ApplyCert("iam", node.Chain(*csr)), IsError(kInvalid, ""));
    EXPECT_THAT(node.ApplyCert("iam", absl::StrCat(node.Chain(*csr), node.root().certificate().Pem())), IsOk());
}

TEST(UnprovisionedNode, RefusesWhatComesAfterStart) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.CreateKey("iam"), IsError(kWrongState, "StartProvisioning first"));
    EXPECT_THAT(node.ApplyCert("iam", "x"), IsError(kWrongState, "StartProvisioning first"));
    EXPECT_THAT(node.Finish(), IsError(kWrongState, "StartProvisioning first"));
    EXPECT_THAT(node.Deprovision(), IsError(kWrongState, "nothing to deprovision"));
}

TEST(UnprovisionedNode, IsNotTakenWithAPasswordOtherThanItsTokens) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    FakeHsm& core = node.token("core");
    ASSERT_THAT(core.Initialise(crypto::Secret("factory pin"), crypto::Secret("user")), IsOk());
    ASSERT_THAT(core.GenerateKeyPair("factory key", "x", crypto::KeyAlgorithm::kEcP384), IsOk());
    EXPECT_THAT(node.Start(), IsError(kDenied, "wrong password: token 'core'"));
    EXPECT_FALSE(node.token("cloud").State()->initialised);
    EXPECT_EQ(node.node().phase(), node::Phase::kNone);
    ASSERT_THAT(core.Open(crypto::Secret("user")), IsOk());
    EXPECT_THAT(node.Objects("core"), SizeIs(1));
    EXPECT_THAT(node.Start("factory pin"), IsOk());
}

TEST(ProvisionedNode, CanNotBeProvisionedAgain) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Provision(), IsOk());
    EXPECT_THAT(node.Start(), IsError(kWrongState, "is provisioned"));
    EXPECT_THAT(node.Finish(), IsError(kWrongState, "is provisioned"));
    node.ExpectEveryIdentityWorks();
}

TEST(NormalMode, RefusesProvisioningAndNamesTheFlag) {
    TestNode node;
    node.provisioning_mode = false;
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.Start(), IsError(kWrongState, "--provisioning"));
    EXPECT_THAT(node.CreateKey("iam"), IsError(kWrongState, "--provisioning"));
    EXPECT_THAT(node.ApplyCert("iam", "x"), IsError(kWrongState, "--provisioning"));
    EXPECT_THAT(node.Finish(), IsError(kWrongState, "--provisioning"));
    EXPECT_THAT(node.Deprovision(), IsError(kWrongState, "--provisioning"));
    EXPECT_THAT(node.Types(), IsOk());
}

TEST(NormalMode, RenewsAProvisionedNodeAndRefusesEverythingThatWouldEndThat) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Provision(), IsOk());
    node.provisioning_mode = false;
    ASSERT_THAT(node.Boot(), IsOk());
    const auto before = node.Certificates();
    EXPECT_THAT(node.Deprovision(), IsError(kWrongState, "--provisioning"));
    EXPECT_THAT(node.Start(), IsError(kWrongState, "is provisioned"));
    EXPECT_THAT(node.Finish(), IsError(kWrongState, "is provisioned"));
    EXPECT_EQ(node.Certificates(), before);
    EXPECT_EQ(node.node().state(), node::NodeState::kProvisioned);
    const auto types = *node.Types();
    for (const std::string& type : types) {
        EXPECT_THAT(node.Enrol(type), IsOk()) << type;
    }
    ASSERT_THAT(node.Pause(), IsOk());
    EXPECT_THAT(node.Enrol("iam"), IsOk());
    EXPECT_THAT(node.CreateKey("iam", "wrong password"), IsError(absl::StatusCode::kUnknown, "wrong password"));
    node.ExpectEveryIdentityWorks();
}

TEST(NormalMode, DoesNotGoOnWithAnEnrolmentThatWasBegunInProvisioningMode) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    const auto csr = node.CreateKey("iam");
    ASSERT_THAT(csr, IsOk());
    node.provisioning_mode = false;
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.ApplyCert("iam", node.Chain(*csr)), IsError(kWrongState, "--provisioning"));
    EXPECT_THAT(node.CreateKey("iam"), IsError(kWrongState, "--provisioning"));
    EXPECT_THAT(node.Finish(), IsError(kWrongState, "--provisioning"));
    EXPECT_THAT(node.Deprovision(), IsError(kWrongState, "--provisioning"));
}

TEST(WrongPasswords, AreSlowedDownOverARestartAndARightOneDoesNotCutTheQueue) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    for (int i = 0; i < 5; ++i) {
        EXPECT_THAT(node.CreateKey("iam", "wrong horse"), IsError(kDenied, "wrong password"));
    }
    EXPECT_THAT(node.CreateKey("iam"), IsError(kDenied, "try again in 1s"));
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.CreateKey("iam"), IsError(kDenied, "try again in 1s"));
    node.scheduler().Advance(absl::Seconds(1));
    EXPECT_THAT(node.CreateKey("iam", "wrong horse"), IsError(kDenied, "wrong password"));
    node.scheduler().Advance(absl::Seconds(1));
    EXPECT_THAT(node.CreateKey("iam"), IsError(kDenied, "try again in 1s"));
    node.scheduler().Advance(absl::Seconds(1));
    EXPECT_THAT(node.CreateKey("iam"), IsOk());
    EXPECT_THAT(node.CreateKey("iam", "wrong horse"), IsError(kDenied, "wrong password"));
    EXPECT_THAT(node.CreateKey("iam"), IsOk());
}

TEST(Boot, FailsWhereTheWorkingDirectoryCanNotBeMade) {
    TestNode node;
    node.config.set_working_dir(node.dir().Write("file", "") + "/work");
    EXPECT_THAT(node.Boot(), IsError(absl::StatusCode::kFailedPrecondition, "workingDir"));
}

TEST(Boot, FailsWhileAnotherProcessHasTheWorkingDirectory) {
    TestNode node;
    ASSERT_THAT(node.Boot(), IsOk());
    TestNode second;
    second.config.set_working_dir(node.config.working_dir());
    EXPECT_THAT(second.Boot(), IsError(absl::StatusCode::kFailedPrecondition, "workingDir"));
    node.Stop();
    EXPECT_THAT(second.Boot(), IsOk());
}

TEST(Boot, FailsWithADamagedDatabaseAndLeavesItAsItIs) {
    TestNode node;
    const std::string garbage(20'000, 'x');
    node.dir().Write("work/provhub.db", garbage);
    EXPECT_THAT(node.Boot(), IsError(absl::StatusCode::kDataLoss, "provhub.db"));
    EXPECT_EQ(node.dir().Read("work/provhub.db"), garbage);
}

TEST(Boot, FailsWhereAModuleCanNotBeLoaded) {
    TestNode node;
    node.open_token = [](const hsm::TokenSelector&, const std::string&) -> absl::StatusOr<std::unique_ptr<hsm::Hsm>> {
        return absl::NotFoundError("libnosuch.so: no such file");
    };
    EXPECT_THAT(node.Boot(), IsError(absl::StatusCode::kNotFound, "'online': libnosuch.so"));
}

TEST(Boot, FailsWhereTwoTypesWantDifferentPinsForOneToken) {
    TestNode node;
    node.config.mutable_cert_modules(1)->mutable_params()->set_user_pin_path("/elsewhere");
    EXPECT_THAT(node.Boot(), IsError(kInvalid, "userPinPath"));
}

TEST(DisabledTypes, AreNeitherListedNorServedAndTheirTokenIsLeftAlone) {
    TestNode node;
    node.config.mutable_cert_modules(0)->set_disabled(true);
    node.config.mutable_cert_modules(1)->set_disabled(true);
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Start(), IsOk());
    EXPECT_THAT(*node.Types(), ElementsAre("iam"));
    EXPECT_THAT(node.CreateKey("online"), IsError(absl::StatusCode::kNotFound, "online"));
    ASSERT_THAT(node.Enrol("iam"), IsOk());
    EXPECT_THAT(node.Finish(), IsOk());
}

TEST(CheckNodeConfig, NamesEverythingThatIsMissing) {
    TestNode node;
    node.config.mutable_node_info()->set_node_id_path("/nosuch/id");
    node.config.add_finish_provisioning_cmd_args("/nosuch/hook");
    node.config.mutable_cert_modules(2)->mutable_params()->set_library("/nosuch/lib.so");
    const auto faults = node::CheckNodeConfig(node.config);
    ASSERT_THAT(faults, SizeIs(3));
    EXPECT_THAT(faults[0], IsError(absl::StatusCode::kNotFound, "nodeInfo.nodeIdPath"));
    EXPECT_THAT(faults[1], IsError(absl::StatusCode::kNotFound, "finishProvisioningCmdArgs[0]"));
    EXPECT_THAT(faults[2], IsError(absl::StatusCode::kNotFound, "certModules[2].params.library"));
}

}  // namespace
}  // namespace provhub::test
