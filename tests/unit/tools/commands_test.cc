#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tools/provctl_call.h"

namespace provhub::provctl {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr int kWrongState = 9;

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
