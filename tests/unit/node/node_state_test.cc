#include "common/node/node_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace provhub::node {
namespace {

constexpr NodeState kStates[] = {NodeState::kUnprovisioned, NodeState::kProvisioned, NodeState::kPaused,
                                 NodeState::kError};

TEST(NodeState, WordsAreLowerCaseAndReadBack) {
    for (const NodeState state : kStates) {
        EXPECT_EQ(ParseNodeState(ToString(state)), state);
    }
    EXPECT_EQ(ToString(NodeState::kUnprovisioned), "unprovisioned");
    EXPECT_EQ(ParseNodeState("PROVISIONED"), std::nullopt);
    EXPECT_EQ(ParseNodeState(""), std::nullopt);
    EXPECT_EQ(ParsePhase("gone"), std::nullopt);
}

TEST(NodeState, MovesOnlyAlongTheTable) {
    using enum NodeState;
    const std::pair<NodeState, NodeState> allowed[] = {{kUnprovisioned, kProvisioned}, {kProvisioned, kPaused},
                                                       {kPaused, kProvisioned},        {kProvisioned, kUnprovisioned},
                                                       {kPaused, kUnprovisioned},      {kError, kUnprovisioned}};
    for (const NodeState from : kStates) {
        for (const NodeState to : kStates) {
            const bool expected = from == to || std::ranges::count(allowed, std::pair(from, to)) == 1;
            EXPECT_EQ(IsAllowed(from, to), expected) << ToString(from) << " to " << ToString(to);
        }
    }
}

}  // namespace
}  // namespace provhub::node
