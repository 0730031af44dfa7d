#include "tools/provctl/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <variant>
#include <vector>

#include "tests/support/command_lines.h"

namespace provhub::provctl {
namespace {

using cli::NothingToRun;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::variant<CommandLine, NothingToRun> Parse(const std::vector<const char*>& arguments) {
    return test::ParseArguments(ParseCommandLine, arguments);
}

CommandLine MustParse(const std::vector<const char*>& arguments) {
    return test::MustRun(Parse(arguments));
}

class Environment {
 public:
    Environment(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    ~Environment() { ::unsetenv(name_); }

 private:
    const char* name_;
};

TEST(CommandLine, HasDefaultsForEverythingGlobal) {
    const CommandLine line = MustParse({"nodes"});
    EXPECT_EQ(line.connection.server, "127.0.0.1:8089");
    EXPECT_FALSE(line.connection.plaintext);
    EXPECT_GT(line.connection.timeout, absl::Minutes(5));
    EXPECT_EQ(line.output, OutputFormat::kTable);
    EXPECT_FALSE(std::get<NodesCommand>(line.command).watch);
}

TEST(CommandLine, TakesGlobalOptionsBeforeAndAfterTheCommand) {
    EXPECT_EQ(MustParse({"-o", "json", "nodes"}).output, OutputFormat::kJson);
    EXPECT_EQ(MustParse({"nodes", "-o", "json"}).output, OutputFormat::kJson);
    EXPECT_EQ(MustParse({"ca", "init", "there", "-o", "json"}).output, OutputFormat::kJson);
    EXPECT_EQ(MustParse({"certs", "iam", "--timeout", "1m30s"}).connection.timeout, absl::Seconds(90));
}

TEST(CommandLine, TakesAnAuditLog) {
    EXPECT_EQ(std::get<AuditVerifyCommand>(MustParse({"audit", "verify", "audit.log"}).command).path, "audit.log");
    EXPECT_EQ(std::get<NothingToRun>(Parse({"audit", "verify"})).exit_status, 2);
    EXPECT_EQ(std::get<NothingToRun>(Parse({"audit"})).exit_status, 2);
}

TEST(CommandLine, TakesWhatIsNotGivenFromTheEnvironment) {
    const Environment server("PROVHUB_SERVER", "main:1");
    const Environment plaintext("PROVHUB_PLAINTEXT", "1");
    const Environment output("PROVHUB_OUTPUT", "json");
    const Environment password("PROVHUB_PASSWORD_FILE", "/run/pw");
    EXPECT_EQ(MustParse({"nodes"}).connection.server, "main:1");
    EXPECT_TRUE(MustParse({"nodes"}).connection.plaintext);
    EXPECT_EQ(MustParse({"nodes"}).output, OutputFormat::kJson);
    EXPECT_EQ(MustParse({"--server", "other:2", "nodes"}).connection.server, "other:2");
    EXPECT_EQ(std::get<DeprovisionCommand>(MustParse({"deprovision", "n"}).command).password_file, "/run/pw");
}

TEST(CommandLine, ReadsTheNodesToProvision) {
    const auto command = std::get<ProvisionCommand>(
        MustParse({"provision", "n1", "n2", "--ca", "dir", "--restart", "--wait-for", "3", "--wait", "5s"}).command);
    EXPECT_THAT(command.nodes, ElementsAre("n1", "n2"));
    EXPECT_EQ(command.authority.ca_directory, "dir");
    EXPECT_TRUE(command.restart);
    EXPECT_EQ(command.wait_for, 3);
    EXPECT_EQ(command.wait, absl::Seconds(5));
}

TEST(CommandLine, ReadsWhatToRenew) {
    const auto command =
        std::get<RenewCommand>(MustParse({"renew", "--all", "--within", "45d", "--type", "iam", "--ca", "d"}).command);
    EXPECT_TRUE(command.all);
    EXPECT_EQ(command.within, absl::Hours(24 * 45));
    EXPECT_THAT(command.types, ElementsAre("iam"));
    EXPECT_EQ(std::get<RenewCommand>(MustParse({"renew", "n", "--ca", "d"}).command).within, absl::Hours(24 * 30));
}

TEST(CommandLine, ReadsWhoseCertificatesToShow) {
    const auto command = std::get<CertsCommand>(
        MustParse({"certs", "iam", "--node", "n1", "--node", "n2", "--expiring", "36h"}).command);
    EXPECT_THAT(command.types, ElementsAre("iam"));
    EXPECT_THAT(command.nodes, ElementsAre("n1", "n2"));
    EXPECT_EQ(command.expiring, absl::Hours(36));
    EXPECT_EQ(std::get<CertsCommand>(MustParse({"certs"}).command).expiring, std::nullopt);
}

TEST(CommandLine, ReadsARequestForAnOperator) {
    const CommandLine line = MustParse({"csr", "--key", "pkcs11:token=t;object=o", "--subject", "op", "--operator"});
    const auto command = std::get<CsrCommand>(line.command);
    EXPECT_EQ(line.connection.key, "pkcs11:token=t;object=o");
    EXPECT_TRUE(command.operator_role);
    EXPECT_EQ(
        std::get<CsrCommand>(MustParse({"csr", "--new-key", "f", "--algorithm", "rsa", "--subject", "op"}).command)
            .algorithm,
        crypto::KeyAlgorithm::kRsa2048);
}

TEST(CommandLine, HelpAndVersionAreNoErrors) {
    for (const char* option : {"--help", "-h", "--version", "--help-all"}) {
        const auto parsed = Parse({option});
        ASSERT_TRUE(std::holds_alternative<NothingToRun>(parsed));
        EXPECT_EQ(std::get<NothingToRun>(parsed).exit_status, 0);
        EXPECT_THAT(std::get<NothingToRun>(parsed).message, HasSubstr("provctl"));
    }
}

class WrongUsage : public ::testing::TestWithParam<std::vector<const char*>> {};

TEST_P(WrongUsage, HasStatusTwoAndAnExplanation) {
    const auto parsed = Parse(GetParam());
    ASSERT_TRUE(std::holds_alternative<NothingToRun>(parsed));
    EXPECT_EQ(std::get<NothingToRun>(parsed).exit_status, 2);
    EXPECT_FALSE(std::get<NothingToRun>(parsed).message.empty());
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, WrongUsage,
    ::testing::Values(std::vector<const char*>{}, std::vector{"fly"}, std::vector{"nodes", "--fast"},
                      std::vector{"nodes", "-o", "yaml"}, std::vector{"nodes", "--timeout", "soon"},
                      std::vector{"nodes", "--timeout", "-1s"}, std::vector{"nodes", "--timeout", "inf"},
                      std::vector{"nodes", "--plaintext", "--ca-cert", "x"}, std::vector{"nodes", "--cert", "x"},
                      std::vector{"nodes", "--server-name", "x"}, std::vector{"certs", "--all", "--node", "n"},
                      std::vector{"certs", "--expiring", "0d"}, std::vector{"certs", "--expiring", "d"},
                      std::vector{"renew", "--ca", "d"}, std::vector{"renew", "--all"},
                      std::vector{"renew", "--all", "n", "--ca", "d"}, std::vector{"csr", "--subject", "s"},
                      std::vector{"csr", "--new-key", "k"},
                      std::vector{"csr", "--new-key", "k", "--subject", "s", "--algorithm", "dsa"},
                      std::vector{"provision", "--ca", "d"}, std::vector{"provision", "--all", "n", "--ca", "d"},
                      std::vector{"provision", "--all"},
                      std::vector{"provision", "--all", "--ca", "d", "--ca-command", "c"},
                      std::vector{"provision", "--all", "--ca", "d", "--parallel", "0"}, std::vector{"deprovision"},
                      std::vector{"pause"}, std::vector{"ca"}, std::vector{"ca", "init"}));

}  // namespace
}  // namespace provhub::provctl
