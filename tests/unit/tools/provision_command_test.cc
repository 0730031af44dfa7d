#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/crypto/certificate.h"
#include "tests/unit/tools/provctl_call.h"

namespace provhub::provctl {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kWrongState = 9;

using ProvisionCommandTest = CommandsTest;

TEST_F(ProvisionCommandTest, TakesANodeThroughTheThreePhases) {
    unit_.AddNode("n1", "unprovisioned");
    const Result result = Provision({"n1"});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_THAT(unit_.Calls(),
                ElementsAre("StartProvisioning n1", "GetCertTypes n1", "CreateKey n1 iam", "ApplyCert n1 iam",
                            "CreateKey n1 online", "ApplyCert n1 online", "FinishProvisioning n1"));
    EXPECT_THAT(unit_.Passwords(), Each("correct horse"));
    const auto node = result.Json()["nodes"][0];
    EXPECT_EQ(node["result"], "provisioned");
    EXPECT_EQ(node["certificates"][1]["type"], "online");
    EXPECT_THAT(result.err, AllOf(HasSubstr("n1: CreateKey iam: done, "), HasSubstr("n1: FinishProvisioning: done, ")));
}

TEST_F(ProvisionCommandTest, GivesTheNodeTheWholeChainWithItsRoot) {
    unit_.AddNode("n1", "unprovisioned");
    Provision({"n1", "--subject", "car 7"});
    const auto chain = crypto::ParsePemCertificates(unit_.Chain("n1", "iam"));
    ASSERT_TRUE(chain.ok());
    ASSERT_EQ(chain->size(), 3U);
    EXPECT_EQ((*chain)[0].Subject(), "CN=car 7");
    EXPECT_TRUE((*chain)[2].IsSelfSigned());
}

TEST_F(ProvisionCommandTest, CarriesTheOthersThroughWhenOneFails) {
    for (const char* node : {"n1", "n2", "n3"}) {
        unit_.AddNode(node, "unprovisioned");
    }
    unit_.Say("ApplyCert", "n2", {.status = {}, .aos_code = 6, .message = "chain does not verify"});
    const Result result = Provision({"--all"});
    EXPECT_EQ(result.exit_status, 1);
    const auto nodes = result.Json()["nodes"];
    EXPECT_EQ(nodes[0]["result"], "provisioned");
    EXPECT_EQ(nodes[1]["result"], "failed");
    EXPECT_EQ(nodes[1]["step"], "ApplyCert iam");
    EXPECT_EQ(nodes[1]["error"]["message"], "chain does not verify");
    EXPECT_EQ(nodes[1]["error"]["code"], "INVALID_ARGUMENT");
    EXPECT_EQ(nodes[2]["result"], "provisioned");
    EXPECT_THAT(unit_.Calls(), Not(Contains("FinishProvisioning n2")));
}

TEST_F(ProvisionCommandTest, ContinuesANodeThatWasStartedBefore) {
    unit_.AddNode("n1", "unprovisioned");
    unit_.Say("StartProvisioning", "n1", {.status = {}, .aos_code = kWrongState, .message = "started already"});
    const Result result = Provision({"n1"});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_THAT(unit_.Calls(), Contains("FinishProvisioning n1"));
}

TEST_F(ProvisionCommandTest, ReportsTheRefusedStartWhenTheNodeHadNotBeenStarted) {
    unit_.AddNode("n1", "unprovisioned");
    unit_.Say("StartProvisioning", "n1", {.status = {}, .aos_code = kWrongState, .message = "needs --provisioning"});
    unit_.Say("CreateKey", "n1", {.status = {}, .aos_code = kWrongState, .message = "not started"});
    const auto node = Provision({"n1"}).Json()["nodes"][0];
    EXPECT_EQ(node["error"]["message"], "needs --provisioning");
    EXPECT_EQ(node["step"], "StartProvisioning");
}

TEST_F(ProvisionCommandTest, BeginsAnewWhenToldTo) {
    unit_.AddNode("n1", "unprovisioned");
    unit_.Say("StartProvisioning", "n1", {.status = {}, .aos_code = kWrongState, .message = "started already"});
    EXPECT_EQ(Provision({"n1", "--restart"}).exit_status, 0);
    const auto calls = unit_.Calls();
    ASSERT_GE(calls.size(), 3U);
    EXPECT_THAT(std::vector(calls.begin(), calls.begin() + 3),
                ElementsAre("StartProvisioning n1", "Deprovision n1", "StartProvisioning n1"));
}

TEST_F(ProvisionCommandTest, SkipsProvisionedNodesWhenAllAreMeant) {
    unit_.AddNode("n1", "provisioned");
    unit_.AddNode("n2", "unprovisioned");
    const Result result = Provision({"--all", "--restart"});
    EXPECT_EQ(result.exit_status, 0);
    EXPECT_EQ(result.Json()["nodes"][0]["result"], "skipped");
    EXPECT_THAT(unit_.Calls(), Each(Not(HasSubstr("n1"))));
}

TEST_F(ProvisionCommandTest, RefusesAProvisionedNodeByNameUnlessToRestart) {
    unit_.AddNode("n1", "provisioned");
    const Result refused = Provision({"n1"});
    EXPECT_EQ(refused.exit_status, 1);
    EXPECT_THAT(unit_.Calls(), IsEmpty());
    EXPECT_EQ(Provision({"n1", "--restart"}).exit_status, 0);
    EXPECT_EQ(unit_.Calls().front(), "Deprovision n1");
}

TEST_F(ProvisionCommandTest, NamesTheNodesOfTheUnitWhenOneIsUnknown) {
    unit_.AddNode("n1", "unprovisioned");
    unit_.AddNode("n2", "unprovisioned");
    const Result result = Provision({"n9", "n1", "n1"});
    EXPECT_EQ(result.exit_status, 1);
    const auto nodes = result.Json()["nodes"];
    ASSERT_EQ(nodes.size(), 2U);
    EXPECT_THAT(nodes[0]["error"]["message"].get<std::string>(), HasSubstr("its nodes are n1, n2"));
    EXPECT_EQ(nodes[1]["result"], "provisioned");
}

TEST_F(ProvisionCommandTest, RepeatsACallThatWasNotSentToTheNode) {
    unit_.AddNode("n1", "unprovisioned");
    unit_.Say("StartProvisioning", "n1", {.status = {grpc::StatusCode::UNAVAILABLE, "not connected"}, .message = {}});
    EXPECT_EQ(Provision({"n1"}).exit_status, 0);
    EXPECT_EQ(std::ranges::count(unit_.Calls(), std::string("StartProvisioning n1")), 2);
}

TEST_F(ProvisionCommandTest, NeverRepeatsACallWhoseOutcomeIsUnknown) {
    unit_.AddNode("n1", "unprovisioned");
    unit_.Say("StartProvisioning", "n1", {.status = {grpc::StatusCode::ABORTED, "connection ended"}, .message = {}});
    const Result result = Provision({"n1"});
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_THAT(unit_.Calls(), ElementsAre("StartProvisioning n1"));
    EXPECT_EQ(result.Json()["nodes"][0]["error"]["code"], "ABORTED");
}

TEST_F(ProvisionCommandTest, AsksACommandForTheSignature) {
    unit_.AddNode("n1", "unprovisioned");
    const std::string command = "grep -q REQUEST && echo \"chain of $PROVHUB_NODE $PROVHUB_CERT_TYPE\"";
    const Result result = Call({"provision", "n1", "--ca-command", command, "--password-file", password_file_});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_EQ(unit_.Chain("n1", "online"), "chain of n1 online\n");
}

TEST_F(ProvisionCommandTest, CarriesTheWordsOfACommandThatFails) {
    unit_.AddNode("n1", "unprovisioned");
    const Result result =
        Call({"provision", "n1", "--ca-command", "echo no such client >&2; exit 3", "--password-file", password_file_});
    EXPECT_EQ(result.exit_status, 1);
    const auto node = result.Json()["nodes"][0];
    EXPECT_EQ(node["step"], "Sign iam");
    EXPECT_THAT(node["error"]["message"].get<std::string>(),
                AllOf(HasSubstr("exit status 3"), HasSubstr("no such client")));
}

TEST_F(ProvisionCommandTest, WaitsForTheNodesButNotForEver) {
    unit_.AddNode("n1", "unprovisioned");
    unit_.AddNode("n2", "unprovisioned", false);
    const Result result = Provision({"--all", "--wait-for", "2", "--wait", "300ms"});
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_THAT(result.Json()["error"]["message"].get<std::string>(), HasSubstr("only 1 is connected"));
    EXPECT_THAT(unit_.Calls(), IsEmpty());
    EXPECT_EQ(Provision({"n1", "--wait-for", "1"}).exit_status, 0);
}

TEST_F(ProvisionCommandTest, TakesAnEmptyOrOverlongPasswordForAUsageError) {
    unit_.AddNode("n1", "unprovisioned");
    for (const std::string& password : {std::string("\n"), std::string(256, 'x')}) {
        temp_.Write("password", password);
        EXPECT_EQ(Provision({"n1"}).exit_status, 2);
    }
    temp_.Write("password", std::string(255, 'x'));
    EXPECT_EQ(Provision({"n1"}).exit_status, 0);
}

TEST_F(ProvisionCommandTest, PrintsThePasswordNowhere) {
    unit_.AddNode("n1", "unprovisioned");
    const Result result = Provision({"n1"});
    EXPECT_THAT(result.out + result.err, Not(HasSubstr("correct horse")));
}

TEST_F(ProvisionCommandTest, HasNoRequestSignedThatNamesAnotherNode) {
    unit_.AddNode("n1", "unprovisioned");
    unit_.AddNode("n2", "unprovisioned");
    unit_.SetNamesInCsr("n1", {"urn:provhub:node:n1", "host"});
    unit_.SetNamesInCsr("n2", {"urn:provhub:node:n2", "urn:provhub:node:n1"});
    const Result result = Provision({"n1", "n2"});
    EXPECT_EQ(result.exit_status, 1);
    const auto nodes = result.Json()["nodes"];
    EXPECT_EQ(nodes[0]["result"], "provisioned") << result.err;
    EXPECT_EQ(nodes[1]["step"], "Sign iam");
    EXPECT_THAT(nodes[1]["error"]["message"].get<std::string>(),
                HasSubstr("names 'urn:provhub:node:n1', another node"));
    EXPECT_THAT(unit_.Calls(), Not(Contains("ApplyCert n2 iam")));
}

}  // namespace
}  // namespace provhub::provctl
