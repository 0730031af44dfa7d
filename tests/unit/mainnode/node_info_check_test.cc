#include "mainnode/hub/node_info_check.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/scripted_agent.h"

namespace provhub::hub {
namespace {

using test::AgentInfo;

TEST(CheckNodeInfo, TakesTheLeastThatPeersOfOtherMakeSay) {
    EXPECT_TRUE(CheckNodeInfo(AgentInfo("n1")).ok());
    EXPECT_TRUE(CheckNodeInfo(AgentInfo(std::string(64, 'x'), "paused")).ok());
    EXPECT_TRUE(CheckNodeInfo(AgentInfo("with a space")).ok());
}

TEST(CheckNodeInfo, RefusesNodeIdsThatCannotBeShown) {
    for (const std::string id : {"", " n1", "n1 ", "n\n1", "n\x01", "n\xc3\xa9"}) {
        EXPECT_TRUE(absl::IsInvalidArgument(CheckNodeInfo(AgentInfo(id)))) << id;
    }
    EXPECT_TRUE(absl::IsInvalidArgument(CheckNodeInfo(AgentInfo(std::string(65, 'x')))));
}

TEST(CheckNodeInfo, RefusesWordsThatAreNoState) {
    for (const std::string state : {"", "Provisioned", "ready", "error "}) {
        EXPECT_TRUE(absl::IsInvalidArgument(CheckNodeInfo(AgentInfo("n1", state)))) << state;
    }
}

TEST(CheckNodeInfo, RefusesASecondaryNodeThatCallsItselfTheMainNode) {
    auto info = AgentInfo("n1");
    info.add_attrs()->set_name("mainnode");
    EXPECT_TRUE(absl::IsInvalidArgument(CheckNodeInfo(info)));
}

TEST(CheckNodeInfo, RefusesWhatIsTooLong) {
    auto info = AgentInfo("n1");
    info.set_title(std::string(70'000, 'x'));
    EXPECT_TRUE(absl::IsInvalidArgument(CheckNodeInfo(info)));
}

}  // namespace
}  // namespace provhub::hub
