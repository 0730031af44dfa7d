#include "tools/provctl/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/clock.h"
#include "common/crypto/certificate.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/tools/fake_unit.h"
#include "tools/provctl/dev_ca.h"

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

struct Result {
    int exit_status = 0;
    std::string out;
    std::string err;

    nlohmann::json Json() const { return nlohmann::json::parse(out); }
};

class CommandsTest : public ::testing::Test {
 protected:
    explicit CommandsTest(Make make = Make::kOurs) : unit_(make), ca_(temp_.File("ca")) {
        std::signal(SIGPIPE, SIG_IGN);
        EXPECT_EQ(DevCa::Create(ca_, absl::Now()), absl::OkStatus());
        password_file_ = temp_.Write("password", "correct horse\n");
    }

    // provctl with these arguments, JSON result.
    Result Call(const std::vector<std::string>& arguments) {
        std::vector<const char*> argv = {"provctl", "--plaintext", "-o", "json", "--timeout", "3s", "--server"};
        argv.push_back(server_.c_str());
        std::ranges::transform(arguments, std::back_inserter(argv), [](const std::string& a) { return a.c_str(); });
        const auto parsed = ParseCommandLine(static_cast<int>(argv.size()), argv.data());
        if (const auto* nothing = std::get_if<cli::NothingToRun>(&parsed)) {
            return {.exit_status = nothing->exit_status, .out = {}, .err = nothing->message};
        }
        std::istringstream in(input_);
        std::ostringstream out;
        std::ostringstream err;
        const int exit_status = provctl::Run(std::get<CommandLine>(parsed), {.in = in, .out = out, .err = err});
        return {.exit_status = exit_status, .out = out.str(), .err = err.str()};
    }

    Result Provision(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "provision");
        arguments.insert(arguments.end(), {"--ca", ca_, "--password-file", password_file_});
        return Call(arguments);
    }

    test::TempDir temp_;
    FakeUnit unit_;
    std::string server_ = unit_.address();
    std::string ca_;
    std::string password_file_;
    // On standard input.
    std::string input_;
};

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

class RenewCommandTest : public CommandsTest {
 protected:
    Result Renew(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), "renew");
        arguments.insert(arguments.end(), {"--ca", ca_, "--password-file", password_file_});
        return Call(arguments);
    }

    const absl::Time soon_ = absl::Now() + absl::Hours(24 * 10);
    const absl::Time late_ = absl::Now() + absl::Hours(24 * 100);
};

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

class CertsCommandTest : public RenewCommandTest {};

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

class CsrCommandTest : public CommandsTest {};

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

using OtherCommands = CommandsTest;

TEST_F(OtherCommands, ListNodesPageByPage) {
    unit_.AddNode("a", "provisioned");
    unit_.AddNode("b", "unprovisioned", false);
    unit_.AddNode("c", "paused");
    const auto nodes = Call({"nodes"}).Json()["nodes"];
    ASSERT_EQ(nodes.size(), 3U);
    EXPECT_EQ(nodes[1]["nodeId"], "b");
    EXPECT_EQ(nodes[1]["connected"], false);
    EXPECT_EQ(nodes[2]["state"], "paused");
}

TEST_F(OtherCommands, WatchNodesAsOneDocument) {
    unit_.AddNode("a", "provisioned");
    const Result result = Call({"nodes", "--watch"});
    // The fake server ends the stream after its first change.
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_EQ(result.Json().size(), 2U);
    EXPECT_EQ(result.Json()[1]["nodeId"], "a");
}

TEST_F(OtherCommands, DeprovisionPauseAndResumeCarryTheOthersThrough) {
    unit_.AddNode("a", "provisioned");
    unit_.Say("PauseNode", "a", {.status = {}, .aos_code = kWrongState, .message = "paused already"});
    const Result pause = Call({"pause", "a", "b"});
    EXPECT_EQ(pause.exit_status, 1);
    EXPECT_EQ(pause.Json()["nodes"][1]["result"], "paused");
    EXPECT_EQ(Call({"resume", "a"}).Json()["nodes"][0]["result"], "provisioned");
    EXPECT_EQ(Call({"deprovision", "a", "--password-file", password_file_}).exit_status, 0);
    EXPECT_THAT(unit_.Calls(), Contains("Deprovision a"));
}

TEST_F(OtherCommands, SayWhatIsWrongInOneDocument) {
    server_ = "127.0.0.1:1";
    const Result result = Call({"nodes"});
    EXPECT_EQ(result.exit_status, 1);
    EXPECT_TRUE(result.Json().contains("error"));
    EXPECT_THAT(result.err, HasSubstr("127.0.0.1:1"));
}

class OtherMakeTest : public CommandsTest {
 protected:
    OtherMakeTest() : CommandsTest(Make::kOther) {}
};

using ServerOfOtherMake = OtherMakeTest;

TEST_F(ServerOfOtherMake, ListsNodesWithoutTheirConnection) {
    unit_.AddNode("b", "provisioned");
    unit_.AddNode("a", "unprovisioned");
    const auto nodes = Call({"nodes"}).Json()["nodes"];
    ASSERT_EQ(nodes.size(), 2U);
    EXPECT_EQ(nodes[0]["nodeId"], "a");
    EXPECT_TRUE(nodes[0]["connected"].is_null());
}

TEST_F(ServerOfOtherMake, IsProvisionedAllTheSame) {
    unit_.AddNode("a", "unprovisioned");
    EXPECT_EQ(Provision({"--all"}).exit_status, 0);
}

TEST_F(ServerOfOtherMake, TellsTheCertificateOfANamedType) {
    EXPECT_EQ(Call({"certs", "iam"}).Json()["certificates"][0]["serial"], "4D2");
    EXPECT_EQ(Call({"certs"}).exit_status, 1);
}

}  // namespace
}  // namespace provhub::provctl
