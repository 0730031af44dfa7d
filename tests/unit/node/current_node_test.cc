#include "common/node/current_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "provhub/config/v1/config.pb.h"
#include "tests/support/temp_dir.h"

namespace provhub::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CurrentNodeTest : public ::testing::Test {
 protected:
    std::unique_ptr<CurrentNode> Start(bool main_node = true) {
        config::v1::NodeInfo config;
        config.set_node_id_path(dir_.Write("id", "node-1\n"));
        config.set_provisioning_state_path(dir_.File("state"));
        auto node = CurrentNode::Create(config, main_node);
        EXPECT_TRUE(node.ok()) << node.status();
        return node.ok() ? *std::move(node) : nullptr;
    }

    const test::TempDir dir_;
};

TEST_F(CurrentNodeTest, BeginsUnprovisionedAndMakesNoFile) {
    const auto node = Start();
    EXPECT_EQ(node->id(), "node-1");
    EXPECT_EQ(node->state(), NodeState::kUnprovisioned);
    EXPECT_EQ(node->phase(), Phase::kNone);
    EXPECT_EQ(node->Info().node_id(), "node-1");
    EXPECT_EQ(node->Info().state(), "unprovisioned");
    EXPECT_FALSE(node->Info().has_error());
    EXPECT_THAT(dir_.List(), ElementsAre("id"));
}

TEST_F(CurrentNodeTest, KeepsStateAndPhaseOverARestart) {
    ASSERT_TRUE(Start()->Move(NodeState::kUnprovisioned, Phase::kStarted).ok());
    EXPECT_EQ(Start()->phase(), Phase::kStarted);
    ASSERT_TRUE(Start()->Move(NodeState::kProvisioned, Phase::kNone).ok());
    EXPECT_EQ(Start()->state(), NodeState::kProvisioned);
    EXPECT_EQ(Start()->Info().state(), "provisioned");
}

TEST_F(CurrentNodeTest, HasWrittenTheStateWhenItTellsTheListeners) {
    const auto node = Start();
    std::vector<std::string> told;
    const auto subscription = node->Subscribe([&](const iamanager::v6::NodeInfo& info) {
        told.push_back(absl::StrCat(info.state(), "/", dir_.Read("state").substr(0, info.state().size())));
    });
    ASSERT_TRUE(node->Move(NodeState::kProvisioned, Phase::kNone).ok());
    ASSERT_TRUE(node->Move(NodeState::kPaused, Phase::kNone).ok());
    EXPECT_THAT(told, ElementsAre("provisioned/provisioned", "paused/paused"));
}

TEST_F(CurrentNodeTest, TellsNothingWhereInfoStaysTheSame) {
    const auto node = Start();
    int told = 0;
    const auto subscription = node->Subscribe([&](const iamanager::v6::NodeInfo&) { ++told; });
    ASSERT_TRUE(node->Move(NodeState::kUnprovisioned, Phase::kStarting).ok());
    ASSERT_TRUE(node->Move(NodeState::kUnprovisioned, Phase::kStarting).ok());
    node->SetError(absl::OkStatus());
    EXPECT_EQ(told, 0);
    node->SetError(absl::InternalError("broken"));
    node->SetError(absl::InternalError("broken"));
    EXPECT_EQ(told, 1);
}

TEST_F(CurrentNodeTest, RefusesAMoveThatIsNotInTheTableAndChangesNothing) {
    const auto node = Start();
    int told = 0;
    const auto subscription = node->Subscribe([&](const iamanager::v6::NodeInfo&) { ++told; });
    const absl::Status refused = node->Move(NodeState::kPaused, Phase::kNone);
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("unprovisioned and can't become paused"));
    EXPECT_EQ(node->state(), NodeState::kUnprovisioned);
    EXPECT_EQ(told, 0);
    EXPECT_THAT(dir_.List(), ElementsAre("id"));
}

TEST_F(CurrentNodeTest, ChangesNothingWhenTheStateCannotBeWritten) {
    config::v1::NodeInfo config;
    config.set_node_id_path(dir_.Write("id", "node-1\n"));
    config.set_provisioning_state_path(dir_.File("dir/state"));
    const auto node = *CurrentNode::Create(config, true);
    // A directory in the place of the new file can't be taken away.
    dir_.Write("dir/.state.new/x", "");
    int told = 0;
    const auto subscription = node->Subscribe([&](const iamanager::v6::NodeInfo&) { ++told; });
    const absl::Status failed = node->Move(NodeState::kProvisioned, Phase::kNone);
    EXPECT_THAT(std::string(failed.message()), StartsWith("state file: cannot "));
    EXPECT_EQ(node->state(), NodeState::kUnprovisioned);
    EXPECT_EQ(node->Info().state(), "unprovisioned");
    EXPECT_EQ(told, 0);

    std::filesystem::remove_all(dir_.File("dir/.state.new"));
    EXPECT_TRUE(node->Move(NodeState::kProvisioned, Phase::kNone).ok());
    EXPECT_EQ(told, 1);
}

TEST_F(CurrentNodeTest, ShowsAnErrorForAStateFileThatCannotBeUnderstoodAndLeavesItAlone) {
    dir_.Write("state", "provisionned\n");
    const auto node = Start();
    EXPECT_EQ(node->state(), NodeState::kError);
    EXPECT_EQ(node->Info().state(), "error");
    EXPECT_THAT(node->Info().error().message(), HasSubstr("unknown state 'provisionned'"));
    EXPECT_NE(node->Info().error().aos_code(), 0);
    EXPECT_EQ(dir_.Read("state"), "provisionned\n");
}

TEST_F(CurrentNodeTest, LeavesTheErrorStateByDeprovisioning) {
    dir_.Write("state", "?");
    const auto node = Start();
    EXPECT_FALSE(node->Move(NodeState::kProvisioned, Phase::kNone).ok());
    ASSERT_TRUE(node->Move(NodeState::kError, Phase::kDeprovisioning).ok());
    EXPECT_TRUE(node->Info().has_error());
    EXPECT_EQ(Start()->phase(), Phase::kDeprovisioning);
    ASSERT_TRUE(node->Move(NodeState::kUnprovisioned, Phase::kNone).ok());
    EXPECT_FALSE(node->Info().has_error());
    EXPECT_EQ(dir_.Read("state").substr(0, 14), "unprovisioned\n");
}

TEST_F(CurrentNodeTest, SetsAndClearsTheError) {
    const auto node = Start();
    node->SetError(absl::NotFoundError("hook is missing"));
    EXPECT_EQ(node->Info().error().message(), "hook is missing");
    EXPECT_EQ(node->Info().state(), "unprovisioned");
    node->SetError(absl::OkStatus());
    EXPECT_FALSE(node->Info().has_error());
}

TEST_F(CurrentNodeTest, MarksTheMainNodeAlone) {
    EXPECT_EQ(Start(true)->Info().attrs(0).name(), "MainNode");
    EXPECT_EQ(Start(false)->Info().attrs_size(), 0);
}

TEST_F(CurrentNodeTest, TellsEveryChangeInItsOrderWhateverThreadMadeIt) {
    const auto node = Start();
    std::vector<std::string> told;
    const auto subscription = node->Subscribe([&](const iamanager::v6::NodeInfo& info) {
        told.push_back(info.error().message());
        if (info.error().message() == "outer") {
            node->SetError(absl::InternalError("from a listener"));
        }
    });
    node->SetError(absl::InternalError("outer"));
    EXPECT_THAT(told, ElementsAre("outer", "from a listener"));
}

TEST_F(CurrentNodeTest, EndsWithTheNewestStateInFileMemoryAndListenerUnderConcurrentMoves) {
    dir_.Write("state", "provisioned\n");
    const auto node = Start();
    std::string last;
    const auto subscription = node->Subscribe([&](const iamanager::v6::NodeInfo& info) { last = info.state(); });
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 20; ++i) {
                const auto target = (t + i) % 2 == 0 ? NodeState::kPaused : NodeState::kProvisioned;
                EXPECT_TRUE(node->Move(target, Phase::kNone).ok());
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(last, node->Info().state());
    EXPECT_THAT(dir_.Read("state"), StartsWith(last));
}

}  // namespace
}  // namespace provhub::node
