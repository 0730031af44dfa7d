#include "tests/support/softhsm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/cert/proof_of_possession.h"
#include "common/hsm/pin_file.h"
#include "tests/component/node/test_node.h"
#include "tests/support/status_matchers.h"

namespace provhub::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class OnSoftHsm : public ::testing::Test {
 protected:
    OnSoftHsm() { node_.UseModule(SoftHsm::Library()); }

    // The records of the directory, against what another process finds on the token.
    void ExpectEveryIdentityWorks() {
        const auto records = node_.Certificates();
        node_.Stop();
        const auto pin = hsm::ReadPinFile(node_.dir().File("pins/user"));
        ASSERT_THAT(pin, IsOk());
        for (const cert::CertRecord& record : records) {
            const std::string label = record.type == "online" || record.type == "offline" ? "cloud" : "core";
            const auto token = softhsm_.Create(label);
            ASSERT_THAT(token->Open(*pin), IsOk());
            const auto der = token->ReadCertificate(record.object_id);
            ASSERT_THAT(der, IsOk());
            const auto certificate = crypto::Certificate::FromDer(*der);
            const auto key = token->LoadKey(record.object_id);
            ASSERT_THAT(key, IsOk());
            EXPECT_EQ(certificate->SerialHex(), record.serial);
            EXPECT_THAT(cert::ProvePossession(key->get(), *certificate), IsOk());
        }
        ASSERT_THAT(node_.Boot(), IsOk());
    }

    SoftHsm softhsm_;
    TestNode node_;
};

TEST_F(OnSoftHsm, ANodeIsProvisionedRestartedAndDeprovisioned) {
    ASSERT_THAT(node_.Boot(), IsOk());
    EXPECT_FALSE(node_.node().Info().has_error());
    ASSERT_THAT(node_.Provision(), IsOk());
    EXPECT_THAT(node_.Certificates(), SizeIs(4));
    ASSERT_THAT(node_.Boot(), IsOk());
    EXPECT_FALSE(node_.node().Info().has_error()) << node_.node().Info().error().message();
    EXPECT_EQ(node_.node().state(), node::NodeState::kProvisioned);
    ExpectEveryIdentityWorks();
    ASSERT_THAT(node_.Enrol("iam"), IsOk());
    ASSERT_THAT(node_.Enrol("offline"), IsOk());
    ExpectEveryIdentityWorks();

    ASSERT_THAT(node_.Deprovision(), IsOk());
    EXPECT_THAT(node_.Certificates(), IsEmpty());
    ASSERT_THAT(node_.Boot(), IsOk());
    EXPECT_EQ(node_.node().state(), node::NodeState::kUnprovisioned);
    ASSERT_THAT(node_.Start("another one"), IsOk());
    EXPECT_THAT(node_.CreateKey("iam", "another one"), IsOk());
}

TEST_F(OnSoftHsm, KeysAreSensitiveAndWereNeverExtractable) {
    ASSERT_THAT(node_.Boot(), IsOk());
    ASSERT_THAT(node_.Provision(), IsOk());
    node_.Stop();
    const auto listing = SoftHsm::Pkcs11Tool(
        "core", absl::StrCat("--login --pin ", node_.dir().Read("pins/user"), " --list-objects --type privkey"));
    EXPECT_EQ(listing.exit_status, 0) << listing.output;
    EXPECT_THAT(listing.output, HasSubstr("sensitive, always sensitive, never extractable"));
    EXPECT_THAT(listing.output, Not(HasSubstr("Access:     none")));
}

TEST_F(OnSoftHsm, AWrongPasswordErasesNothing) {
    ASSERT_THAT(node_.Boot(), IsOk());
    ASSERT_THAT(node_.Start(), IsOk());
    ASSERT_THAT(node_.Enrol("iam"), IsOk());
    ASSERT_THAT(node_.Deprovision("wrong horse"), Not(IsOk()));
    // The state file is lost: only the tokens know the password.
    node_.Stop();
    node_.dir().Write("state", "unprovisioned\n");
    ASSERT_THAT(node_.Boot(), IsOk());
    EXPECT_THAT(node_.Start("wrong horse"), IsError(absl::StatusCode::kUnknown, "wrong password"));
    ExpectEveryIdentityWorks();
}

TEST_F(OnSoftHsm, ATokenThatIsGoneIsReportedAndServedAround) {
    ASSERT_THAT(node_.Boot(), IsOk());
    ASSERT_THAT(node_.Provision(), IsOk());
    node_.Stop();
    ASSERT_EQ(RunCommand(absl::StrCat("softhsm2-util --delete-token --token core")).exit_status, 0);
    ASSERT_EQ(RunCommand(absl::StrCat("rm -rf ", node_.dir().File("work/tokens"))).exit_status, 0);
    ASSERT_THAT(node_.Boot(), IsOk());
    EXPECT_EQ(node_.node().state(), node::NodeState::kProvisioned);
    EXPECT_THAT(node_.node().Info().error().message(), HasSubstr("token 'core'"));
    EXPECT_THAT(node_.Enrol("online"), IsOk());
    EXPECT_THAT(node_.Enrol("iam"), Not(IsOk()));
    EXPECT_THAT(node_.Deprovision(), IsOk());
    EXPECT_FALSE(node_.node().Info().has_error());
    EXPECT_THAT(node_.Provision(), IsOk());
}

TEST_F(OnSoftHsm, ALostDatabaseIsReportedAndNothingIsDestroyed) {
    ASSERT_THAT(node_.Boot(), IsOk());
    ASSERT_THAT(node_.Provision(), IsOk());
    const auto records = node_.Certificates();
    node_.Stop();
    ASSERT_EQ(RunCommand(absl::StrCat("cp -a ", node_.dir().File("work"), " ", node_.dir().File("copy"), " && rm ",
                                      node_.dir().File("work/provhub.db*")))
                  .exit_status,
              0);
    ASSERT_THAT(node_.Boot(), IsOk());
    EXPECT_THAT(node_.node().Info().error().message(), HasSubstr("database"));
    EXPECT_THAT(node_.Certificates(), IsEmpty());
    node_.Stop();
    ASSERT_EQ(RunCommand(absl::StrCat("cp ", node_.dir().File("copy/provhub.db*"), " ", node_.dir().File("work/")))
                  .exit_status,
              0);
    ASSERT_THAT(node_.Boot(), IsOk());
    EXPECT_FALSE(node_.node().Info().has_error()) << node_.node().Info().error().message();
    EXPECT_EQ(node_.Certificates(), records);
    ExpectEveryIdentityWorks();
}

TEST_F(OnSoftHsm, TheProductionFactoryServesTheSameNode) {
    auto core = node::NodeCore::Create(node_.config, {.main_node = true, .provisioning_mode = true}, node_.scheduler());
    ASSERT_THAT(core, IsOk());
    EXPECT_EQ((*core)->current_node().id(), "node-1");
    EXPECT_THAT((*core)->certificates().Types(), SizeIs(4));
}

TEST_F(OnSoftHsm, AMissingLibraryIsNamed) {
    node_.UseModule("/nosuch/libpkcs11.so");
    EXPECT_THAT(node_.Boot(), IsError(absl::StatusCode::kNotFound, "/nosuch/libpkcs11.so"));
}

TEST_F(OnSoftHsm, OneTokenNamedInTwoWaysIsRefusedBeforeAnythingIsChanged) {
    node_.KeepTypes({"online", "iam"});
    // A token's slot index isn't known beforehand: "cloud" is the only one.
    node_.config.mutable_cert_modules(1)->mutable_params()->set_token_label("cloud");
    ASSERT_THAT(node_.Boot(), IsOk());
    ASSERT_THAT(node_.Start(), IsOk());
    ASSERT_THAT(node_.Deprovision(), IsOk());
    auto* params = node_.config.mutable_cert_modules(1)->mutable_params();
    params->clear_token_label();
    params->set_slot_index(0);
    ASSERT_THAT(node_.Boot(), IsOk());
    EXPECT_THAT(node_.Start(), IsError(absl::StatusCode::kFailedPrecondition, "'slot 0' is the same as token 'cloud'"));
    EXPECT_EQ(node_.node().phase(), node::Phase::kNone);
    EXPECT_EQ(node_.dir().Read("pins/user"), "");
}

}  // namespace
}  // namespace provhub::test
