#include "common/service/tls_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_core.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/status_matchers.h"

namespace provhub::service {
namespace {

using absl::StatusCode;
using test::IsError;
using test::IsOk;

class TlsIdentityTest : public ::testing::Test {
 protected:
    void Enrol(const std::string& serial, bool works = true) {
        if (works) {
            tls::Identity identity;
            identity.fingerprint = "fingerprint of " + serial;
            core_.SetIdentity(serial, identity);
        }
        cert::CertRecord record;
        record.type = "iam";
        record.serial = serial;
        core_.certificates().Add(record);
        scheduler_.RunPosted();
    }

    test::ManualScheduler scheduler_;
    test::FakeCore core_{"main"};
};

TEST_F(TlsIdentityTest, SaysHowToGetACertificate) {
    const TlsIdentity identity("iam", core_, scheduler_);
    EXPECT_THAT(identity.Current(), IsError(StatusCode::kFailedPrecondition, "run provctl provision"));
    const TlsIdentity unset("", core_, scheduler_);
    EXPECT_THAT(unset.Current(), IsError(StatusCode::kFailedPrecondition, "certStorage is not set"));
}

TEST_F(TlsIdentityTest, FollowsTheCertificatesOfItsType) {
    TlsIdentity identity("iam", core_, scheduler_);
    int changes = 0;
    const auto subscription = identity.Subscribe([&] { ++changes; });
    Enrol("01");
    ASSERT_THAT(identity.Current(), IsOk());
    EXPECT_EQ((*identity.Current())->fingerprint, "fingerprint of 01");
    Enrol("02");
    EXPECT_EQ((*identity.Current())->fingerprint, "fingerprint of 02");
    EXPECT_EQ(changes, 2);
}

TEST_F(TlsIdentityTest, IsTheNewOneWhenTheCertificateHasBeenToldOf) {
    const TlsIdentity identity("iam", core_, scheduler_);
    tls::Identity ready;
    ready.fingerprint = "fingerprint of 01";
    core_.SetIdentity("01", ready);
    cert::CertRecord record;
    record.type = "iam";
    record.serial = "01";
    core_.certificates().Add(record);
    ASSERT_THAT(identity.Current(), IsOk());
    EXPECT_EQ((*identity.Current())->fingerprint, "fingerprint of 01");
    EXPECT_EQ(scheduler_.posted(), 0U);
}

TEST_F(TlsIdentityTest, KeepsAWorkingIdentityInTheFaceOfABrokenOne) {
    Enrol("01");
    const TlsIdentity identity("iam", core_, scheduler_);
    Enrol("02", /*works=*/false);
    ASSERT_THAT(identity.Current(), IsOk());
    EXPECT_EQ((*identity.Current())->fingerprint, "fingerprint of 01");
}

TEST_F(TlsIdentityTest, LetsGoOfTheNodeBeforeWorkThatIsPosted) {
    {
        const TlsIdentity identity("iam", core_, scheduler_);
        core_.current_node().SetError(absl::InternalError("a change"));
        EXPECT_EQ(scheduler_.posted(), 1U);
    }
    EXPECT_EQ(scheduler_.RunPosted(), 1U);
}

}  // namespace
}  // namespace provhub::service
