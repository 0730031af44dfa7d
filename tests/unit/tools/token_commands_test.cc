#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/unit/tools/fake_unit.h"
#include "tests/unit/tools/provctl_call.h"
#include "tools/provctl/commands.h"

namespace provhub::provctl {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Result Call(const FakeUnit& unit, const std::vector<std::string>& arguments) {
    return CallProvctl(unit.address(), arguments);
}

TEST(TokenCommandsTest, ANewTokenIsAllThatIsOnStandardOutput) {
    FakeUnit unit(Make::kOurs);
    const Result result = Call(unit, {"token", "create"});
    EXPECT_EQ(result.exit_status, kAllWell) << result.err;
    EXPECT_EQ(result.out, "the-token\n");
    EXPECT_THAT(result.err, HasSubstr("join token 17 for any one node"));
    EXPECT_THAT(result.err, Not(HasSubstr("the-token")));
    EXPECT_THAT(unit.Calls(), Contains("CreateJoinToken  3600"));
}

TEST(TokenCommandsTest, ATokenIsForTheNodeAndTheTimeThatAreNamed) {
    FakeUnit unit(Make::kOurs);
    const Result result = Call(unit, {"-o", "json", "token", "create", "--node", "node-1", "--ttl", "90s"});
    const auto json = nlohmann::json::parse(result.out);
    EXPECT_EQ(json["token"], "the-token");
    EXPECT_EQ(json["nodeId"], "node-1");
    EXPECT_EQ(json["expires"], "1970-01-01T00:01:30Z");
    EXPECT_THAT(unit.Calls(), Contains("CreateJoinToken node-1 90"));
}

TEST(TokenCommandsTest, TheListSaysWhoHasUsedAToken) {
    FakeUnit unit(Make::kOurs);
    const auto tokens = nlohmann::json::parse(Call(unit, {"-o", "json", "token", "list"}).out)["tokens"];
    ASSERT_EQ(tokens.size(), 2U);
    EXPECT_EQ(tokens[0]["usedBy"], "node-1");
    EXPECT_EQ(tokens[0]["used"], "1970-01-01T00:01:00Z");
    EXPECT_TRUE(tokens[1]["usedBy"].is_null());
    EXPECT_THAT(Call(unit, {"token", "list"}).out, HasSubstr("USED BY"));
}

TEST(TokenCommandsTest, ATokenIsRevokedByItsId) {
    FakeUnit unit(Make::kOurs);
    EXPECT_EQ(Call(unit, {"token", "revoke", "17"}).exit_status, kAllWell);
    EXPECT_THAT(unit.Calls(), Contains("RevokeJoinToken 17"));
}

TEST(TokenCommandsTest, WhatTheServerRefusesIsSaid) {
    FakeUnit unit(Make::kOurs);
    unit.Say("RevokeJoinToken", "18",
             {.status = {grpc::StatusCode::NOT_FOUND, "no join token 18"}, .aos_code = 0, .message = {}});
    const Result result = Call(unit, {"token", "revoke", "18"});
    EXPECT_EQ(result.exit_status, kFailed);
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, HasSubstr("no join token 18"));
}

TEST(TokenCommandsTest, WrongArgumentsAreWrongUsage) {
    FakeUnit unit(Make::kOurs);
    EXPECT_EQ(Call(unit, {"token"}).exit_status, kUsage);
    EXPECT_EQ(Call(unit, {"token", "revoke"}).exit_status, kUsage);
    EXPECT_EQ(Call(unit, {"token", "create", "--ttl", "0s"}).exit_status, kUsage);
}

}  // namespace
}  // namespace provhub::provctl
