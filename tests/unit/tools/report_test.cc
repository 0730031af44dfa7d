#include "tools/provctl/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "common/crypto/openssl.h"

namespace provhub::provctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

UnitNode MakeNode(const std::string& id, const std::string& state) {
    UnitNode node;
    node.info.set_node_id(id);
    node.info.set_state(state);
    return node;
}

TEST(Table, AlignsItsColumnsAndEndsItsLinesWithoutBlanks) {
    EXPECT_EQ(FormatTable({{"A", "LONG HEAD", "C"}, {"wide cell", "x", ""}, {"y", "", "z"}}),
              "A          LONG HEAD  C\n"
              "wide cell  x\n"
              "y                     z\n");
}

TEST(Table, CannotBeUsedToCommandTheTerminal) {
    const std::string table = FormatTable({{"\x1b[2Jcleared\r", "two\nlines"}});
    EXPECT_EQ(table, "[2Jcleared  two; lines\n");
}

TEST(NodesReport, TellsTheMainNodeTheStateAndTheConnection) {
    UnitNode node = MakeNode("n1", "error");
    node.info.add_attrs()->set_name("MainNode");
    node.info.mutable_error()->set_message("disk full");
    node.connected = false;
    node.changed = absl::FromUnixSeconds(0);
    const auto json = nlohmann::json::parse(NodesJson({node}))["nodes"][0];
    EXPECT_EQ(json["mainNode"], true);
    EXPECT_EQ(json["state"], "error");
    EXPECT_EQ(json["connected"], false);
    EXPECT_EQ(json["changed"], "1970-01-01T00:00:00Z");
    EXPECT_EQ(json["error"]["message"], "disk full");
    EXPECT_THAT(NodesTable({node}), HasSubstr("main  error  absent      1970-01-01 00:00:00Z  disk full"));
}

TEST(NodesReport, IsAnEmptyListWithoutNodes) {
    EXPECT_EQ(nlohmann::json::parse(NodesJson({}))["nodes"].size(), 0U);
}

TEST(CertificatesReport, ReadsTheIssuerOfAServerThatGivesOnlyItsDer) {
    provhub::v1::Certificate certificate;
    const crypto::X509NamePtr name(X509_NAME_new());
    X509_NAME_add_entry_by_txt(name.get(), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("Some CA"), -1,
                               -1, 0);
    unsigned char* der = nullptr;
    const int size = i2d_X509_NAME(name.get(), &der);
    certificate.mutable_info()->set_issuer(der, static_cast<std::size_t>(size));
    OPENSSL_free(der);
    const auto json = nlohmann::json::parse(CertificatesJson({certificate}))["certificates"][0];
    EXPECT_EQ(json["issuer"], "CN=Some CA");
    EXPECT_TRUE(json["notAfter"].is_null());
}

TEST(CertificatesReport, HasAColumnForTheKeysOnlyWhereTheyHaveUrlsOfTheirOwn) {
    provhub::v1::Certificate certificate;
    certificate.mutable_info()->set_cert_url("pkcs11:one");
    certificate.mutable_info()->set_key_url("pkcs11:one");
    EXPECT_THAT(CertificatesTable({certificate}), Not(HasSubstr("pkcs11:one  pkcs11:one")));
    certificate.mutable_info()->set_key_url("pkcs11:two");
    EXPECT_THAT(CertificatesTable({certificate}), HasSubstr("pkcs11:one   pkcs11:two"));
}

TEST(CertificatesReport, SurvivesBytesThatAreNoText) {
    provhub::v1::Certificate certificate;
    certificate.mutable_info()->set_serial("\xff\xfe");
    certificate.mutable_info()->set_issuer("\xff\xfe");
    EXPECT_TRUE(nlohmann::json::accept(CertificatesJson({certificate})));
}

TEST(ResultsReport, SaysWhichStepFailedAndWhy) {
    NodeResult result;
    result.node_id = "n1";
    result.outcome = Outcome::kFailed;
    result.failed_step = "ApplyCert iam";
    result.error = absl::InvalidArgumentError("expired");
    result.elapsed = absl::Milliseconds(1250);
    const auto json = nlohmann::json::parse(ResultsJson({result}, "provisioned"))["nodes"][0];
    EXPECT_EQ(json["result"], "failed");
    EXPECT_EQ(json["step"], "ApplyCert iam");
    EXPECT_EQ(json["error"]["code"], "INVALID_ARGUMENT");
    EXPECT_EQ(json["seconds"], 1.25);
    const std::string table = ResultsTable({result}, "provisioned");
    EXPECT_THAT(table, HasSubstr("n1    failed  1.2      ApplyCert iam: expired"));
    EXPECT_THAT(table, Not(HasSubstr("provisioned")));
}

}  // namespace
}  // namespace provhub::provctl
