#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <string>

#include "common/crypto/certificate.h"
#include "tests/unit/tools/provctl_call.h"

namespace provhub::provctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using RenewCommandTest = CommandsTest;

TEST_F(RenewCommandTest, RenewsWhatExpiresInTimeAndNothingElse) {
    unit_.AddNode("n1", "provisioned");
    unit_.AddCertificate("n1", "iam", soon_, "CN=car 7,O=Cars");
    unit_.AddCertificate("n1", "online", soon_);
    unit_.AddCertificate("n1", "online", late_);
    unit_.AddCertificate("n1", "disk", soon_, "CN=unit", /*self_signed=*/true);
    const Result result = Renew({"n1", "--within", "30d"});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_THAT(unit_.Calls(), ElementsAre("ListCertificates n1", "CreateKey n1 iam", "ApplyCert n1 iam"));
    EXPECT_THAT(unit_.Passwords(), ElementsAre("correct horse"));
    const auto node = result.Json()["nodes"][0];
    EXPECT_EQ(node["result"], "renewed");
    EXPECT_EQ(node["certificates"][0]["type"], "iam");
    const auto chain = crypto::ParsePemCertificates(unit_.Chain("n1", "iam"));
    ASSERT_TRUE(chain.ok());
    EXPECT_EQ(chain->front().Subject(), "CN=car 7");
}

TEST_F(RenewCommandTest, DoesNothingWhereNothingIsDue) {
    unit_.AddNode("n1", "provisioned");
    unit_.AddCertificate("n1", "iam", late_);
    const Result result = Renew({"--all", "--within", "30d"});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(result.Json()["nodes"][0]["result"], "skipped");
    EXPECT_THAT(unit_.Calls(), ElementsAre("ListCertificates n1"));
    EXPECT_EQ(Renew({"--all", "--within", "200d"}).Json()["nodes"][0]["result"], "renewed");
}

TEST_F(RenewCommandTest, CarriesTheOthersThroughWhenOneFails) {
    for (const char* node : {"n1", "n2", "n3"}) {
        unit_.AddNode(node, "provisioned");
        unit_.AddCertificate(node, "iam", soon_);
    }
    unit_.AddNode("n4", "unprovisioned");
    unit_.Say("CreateKey", "n2", {.status = {}, .aos_code = 9, .message = "wrong password"});
    const Result result = Renew({"--all"});
    EXPECT_EQ(result.exit_status, 1);
    const auto nodes = result.Json()["nodes"];
    EXPECT_EQ(nodes[0]["result"], "renewed");
    EXPECT_EQ(nodes[1]["step"], "CreateKey iam");
    EXPECT_EQ(nodes[1]["error"]["message"], "wrong password");
    EXPECT_EQ(nodes[2]["result"], "renewed");
    EXPECT_EQ(nodes[3]["result"], "skipped");
}

TEST_F(RenewCommandTest, RefusesByNameWhatIsNotProvisionedOrNotKnown) {
    unit_.AddNode("n1", "unprovisioned");
    const Result result = Renew({"n1", "n9"});
    EXPECT_EQ(result.exit_status, 1);
    const auto nodes = result.Json()["nodes"];
    EXPECT_THAT(nodes[0]["error"]["message"].get<std::string>(), HasSubstr("is unprovisioned"));
    EXPECT_THAT(nodes[1]["error"]["message"].get<std::string>(), HasSubstr("no node 'n9'"));
    EXPECT_THAT(unit_.Calls(), IsEmpty());
}

TEST_F(RenewCommandTest, SaysThatANodeOfOtherMakeCanNotBeAsked) {
    unit_.AddNode("n1", "provisioned");
    unit_.Say("ListCertificates", "n1", {.status = {grpc::StatusCode::UNIMPLEMENTED, "of other make"}, .message = {}});
    const Result result = Renew({"n1"});
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_THAT(result.Json()["nodes"][0]["error"]["message"].get<std::string>(), HasSubstr("of other make"));
}

using CertsCommandTest = CommandsTest;

TEST_F(CertsCommandTest, ShowsTheCertificatesOfEveryNode) {
    unit_.AddNode("n1", "provisioned");
    unit_.AddNode("n2", "provisioned");
    unit_.AddCertificate("n1", "iam", late_);
    unit_.Say("ListCertificates", "n2", {.status = {grpc::StatusCode::NOT_FOUND, "no such type"}, .message = {}});
    const Result result = Call({"certs", "--all"});
    EXPECT_EQ(result.exit_status, 1);
    const auto nodes = result.Json()["nodes"];
    EXPECT_EQ(nodes[0]["nodeId"], "n1");
    EXPECT_EQ(nodes[0]["certificates"][0]["type"], "iam");
    EXPECT_EQ(nodes[1]["error"]["code"], "NOT_FOUND");
    EXPECT_EQ(Call({"certs", "--node", "n1"}).exit_status, 0);
}

TEST_F(CertsCommandTest, ShowsWhatExpiresSoonAndIsStillInUse) {
    unit_.AddCertificate("", "iam", soon_);
    unit_.AddCertificate("", "iam", late_);
    unit_.AddCertificate("", "online", soon_);
    const auto certificates = Call({"certs", "--expiring", "30d"}).Json()["certificates"];
    ASSERT_EQ(certificates.size(), 1U);
    EXPECT_EQ(certificates[0]["type"], "online");
    EXPECT_EQ(Call({"certs"}).Json()["certificates"].size(), 3U);
}

using CsrCommandTest = CommandsTest;

TEST_F(CsrCommandTest, MakesAnOperatorThatTheCaSigns) {
    const std::string key = temp_.File("operator.key");
    const Result csr =
        Call({"csr", "--new-key", key, "--subject", "operator-1", "--operator", "--san", "host.example"});
    ASSERT_EQ(csr.exit_status, 0) << csr.err;
    input_ = csr.Json()["csr"];
    const Result chain = Call({"ca", "sign", ca_});
    ASSERT_EQ(chain.exit_status, 0) << chain.err;
    const auto certificates = crypto::ParsePemCertificates(chain.Json()["chain"].get<std::string>());
    ASSERT_TRUE(certificates.ok());
    EXPECT_EQ(certificates->front().Subject(), "CN=operator-1");
    EXPECT_EQ(X509_get_extended_key_usage(certificates->front().get()), static_cast<unsigned>(XKU_SSL_CLIENT));
    EXPECT_EQ(X509_check_host(certificates->front().get(), "host.example", 0, 0, nullptr), 1);
    EXPECT_THAT(certificates->front().Der(), HasSubstr("urn:provhub:role:operator"));
    EXPECT_EQ(Call({"csr", "--key", key, "--subject", "operator-1"}).exit_status, 0);
}

TEST_F(CsrCommandTest, LeavesAKeyThatIsThereAndMakesNoneInVain) {
    const std::string key = temp_.Write("operator.key", "mine");
    EXPECT_EQ(Call({"csr", "--new-key", key, "--subject", "a"}).exit_status, 1);
    EXPECT_EQ(temp_.Read("operator.key"), "mine");
    EXPECT_EQ(Call({"csr", "--new-key", temp_.File("new.key"), "--subject", "a,b"}).exit_status, 1);
    EXPECT_EQ(Call({"csr", "--new-key", temp_.File("new.key"), "--subject", "a", "--san", "not a name"}).exit_status,
              1);
    EXPECT_EQ(temp_.Read("new.key"), "");
    EXPECT_EQ(Call({"csr", "--subject", "a"}).exit_status, 2);
}

}  // namespace
}  // namespace provhub::provctl
