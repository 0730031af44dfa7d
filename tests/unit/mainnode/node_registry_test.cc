#include "mainnode/registry/node_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/fake_core.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/scripted_agent.h"
#include "tests/support/temp_dir.h"

namespace provhub::registry {
namespace {

using test::AgentInfo;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class NodeRegistryTest : public testing::Test {
 protected:
    std::unique_ptr<NodeRegistry> Open() {
        auto registry = NodeRegistry::Open(path_, core_.current_node(), scheduler_);
        EXPECT_TRUE(registry.ok()) << registry.status();
        return *std::move(registry);
    }

    // As the end of the process does, with everything that was posted done.
    void Close(std::unique_ptr<NodeRegistry>& registry) {
        scheduler_.RunPosted();
        registry.reset();
    }

    static std::vector<std::string> Ids(const NodeRegistry& registry) {
        std::vector<std::string> ids;
        for (const auto& node : registry.List("", 1000)) {
            ids.push_back(node->info().node_id());
        }
        return ids;
    }

    test::TempDir dir_;
    const std::string path_ = dir_.File("nodes.db");
    test::ManualScheduler scheduler_;
    test::FakeCore core_{"main"};
};

TEST_F(NodeRegistryTest, KnowsTheMainNodeItselfFromTheBeginning) {
    auto registry = Open();
    EXPECT_THAT(Ids(*registry), ElementsAre("main"));
    EXPECT_TRUE(registry->Find("main")->connected());
    EXPECT_EQ(registry->Find("main")->info().state(), "unprovisioned");
}

TEST_F(NodeRegistryTest, FollowsTheStateOfTheMainNode) {
    auto registry = Open();
    std::vector<std::string> states;
    const auto subscription =
        registry->Subscribe([&](const NodeChange& change) { states.push_back(change.node->info().state()); });
    ASSERT_TRUE(core_.current_node().Move(node::NodeState::kProvisioned, node::Phase::kNone).ok());
    EXPECT_THAT(states, ElementsAre("provisioned"));
    EXPECT_EQ(registry->Find("main")->info().state(), "provisioned");
}

TEST_F(NodeRegistryTest, NobodyCanOverwriteTheRecordOfTheMainNode) {
    auto registry = Open();
    EXPECT_TRUE(absl::IsPermissionDenied(registry->Connect(AgentInfo("main", "paused"), 1)));
    registry->Update(AgentInfo("main", "paused"), 1);
    registry->Update(AgentInfo("main", "paused"), 0);
    registry->SetState("main", node::NodeState::kPaused, 0);
    registry->Disconnect("main", 0);
    EXPECT_TRUE(registry->Find("main")->connected());
    EXPECT_EQ(registry->Find("main")->info().state(), "unprovisioned");
}

TEST_F(NodeRegistryTest, RemembersNodesOverARestartAsDisconnected) {
    auto registry = Open();
    auto info = AgentInfo("n1", "provisioned");
    info.set_total_ram(4096);
    ASSERT_TRUE(registry->Connect(info, 1).ok());
    ASSERT_TRUE(registry->Connect(AgentInfo("n2"), 2).ok());
    registry->Disconnect("n2", 2);
    const auto n2_changed = registry->Find("n2")->changed().seconds();
    Close(registry);
    scheduler_.Advance(absl::Hours(1));

    registry = Open();
    EXPECT_THAT(Ids(*registry), ElementsAre("main", "n1", "n2"));
    EXPECT_EQ(registry->Find("n1")->info().total_ram(), 4096u);
    EXPECT_EQ(registry->Find("n1")->info().state(), "provisioned");
    EXPECT_FALSE(registry->Find("n1")->connected());
    EXPECT_EQ(registry->Find("n2")->changed().seconds(), n2_changed);
    Close(registry);
}

TEST_F(NodeRegistryTest, StoresOffTheCallersThread) {
    auto registry = Open();
    scheduler_.RunPosted();
    ASSERT_TRUE(registry->Connect(AgentInfo("n1"), 1).ok());
    ASSERT_TRUE(registry->Connect(AgentInfo("n2"), 2).ok());
    EXPECT_EQ(scheduler_.posted(), 1u) << "one batch for both";
    EXPECT_EQ(scheduler_.RunPosted(), 1u);
    auto store = NodeStore::Open(path_);
    EXPECT_EQ((*store)->Load()->size(), 2u);
}

TEST_F(NodeRegistryTest, TellsWhatChangedAndWhatDidNot) {
    auto registry = Open();
    std::vector<std::string> told;
    const auto subscription = registry->Subscribe([&](const NodeChange& change) {
        told.push_back(change.node->info().node_id() + " " + change.node->info().state() +
                       (change.node->connected() ? " on" : " off") + (change.info_changed ? " info" : ""));
    });
    ASSERT_TRUE(registry->Connect(AgentInfo("n1"), 1).ok());
    registry->Update(AgentInfo("n1"), 1);
    registry->Update(AgentInfo("n1", "paused"), 1);
    registry->SetState("n1", node::NodeState::kProvisioned, 1);
    registry->SetState("n1", node::NodeState::kProvisioned, 1);
    registry->Disconnect("n1", 1);
    registry->Disconnect("n1", 1);
    ASSERT_TRUE(registry->Connect(AgentInfo("n1", "provisioned"), 2).ok());
    EXPECT_THAT(told, ElementsAre("n1 unprovisioned on info", "n1 paused on info", "n1 provisioned on info",
                                  "n1 provisioned off", "n1 provisioned on"));
    Close(registry);
}

TEST_F(NodeRegistryTest, AnOlderStreamChangesNothing) {
    auto registry = Open();
    ASSERT_TRUE(registry->Connect(AgentInfo("n1", "provisioned"), 7).ok());
    EXPECT_TRUE(absl::IsAborted(registry->Connect(AgentInfo("n1"), 6)));
    registry->Update(AgentInfo("n1", "paused"), 6);
    registry->SetState("n1", node::NodeState::kUnprovisioned, 6);
    registry->Disconnect("n1", 6);
    EXPECT_TRUE(registry->Find("n1")->connected());
    EXPECT_EQ(registry->Find("n1")->info().state(), "provisioned");
    Close(registry);
}

TEST_F(NodeRegistryTest, AListenerMayAskTheRegistryAndSeesEveryChangeInOrder) {
    auto registry = Open();
    std::vector<std::string> states;
    const auto subscription = registry->Subscribe([&](const NodeChange& change) {
        states.push_back(change.node->info().state());
        if (states.size() == 1) {
            registry->SetState("n1", node::NodeState::kPaused, 1);
        }
        EXPECT_NE(registry->Find("n1"), nullptr);
    });
    ASSERT_TRUE(registry->Connect(AgentInfo("n1", "provisioned"), 1).ok());
    EXPECT_THAT(states, ElementsAre("provisioned", "paused"));
    Close(registry);
}

TEST_F(NodeRegistryTest, RefusesADamagedFileAndLeavesItAlone) {
    const std::string garbage(8192, 'x');
    dir_.Write("nodes.db", garbage);
    const auto registry = NodeRegistry::Open(path_, core_.current_node(), scheduler_);
    EXPECT_TRUE(absl::IsDataLoss(registry.status())) << registry.status();
    EXPECT_THAT(std::string(registry.status().message()), HasSubstr(path_));
    EXPECT_EQ(dir_.Read("nodes.db"), garbage);
}

TEST_F(NodeRegistryTest, RefusesAFileWithADamagedPage) {
    auto registry = Open();
    for (int i = 0; i < 200; ++i) {
        ASSERT_TRUE(registry->Connect(AgentInfo("n" + std::to_string(i)), static_cast<std::uint64_t>(i) + 1).ok());
    }
    Close(registry);
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(4096, 'x');
    file.close();
    const auto damaged = NodeRegistry::Open(path_, core_.current_node(), scheduler_);
    EXPECT_TRUE(absl::IsDataLoss(damaged.status())) << damaged.status();
}

TEST_F(NodeRegistryTest, SaysWhyTheFileCannotBeOpened) {
    const auto registry = NodeRegistry::Open("/nonexistent/nodes.db", core_.current_node(), scheduler_);
    EXPECT_TRUE(absl::IsFailedPrecondition(registry.status())) << registry.status();
    EXPECT_THAT(std::string(registry.status().message()), HasSubstr("/nonexistent/nodes.db"));
}

TEST_F(NodeRegistryTest, IgnoresAStoredNodeThatHasTheMainNodesIdNow) {
    {
        test::FakeCore other("other");
        auto registry = NodeRegistry::Open(path_, other.current_node(), scheduler_).value();
        ASSERT_TRUE(registry->Connect(AgentInfo("main", "paused"), 1).ok());
        Close(registry);
    }
    auto registry = Open();
    EXPECT_THAT(Ids(*registry), ElementsAre("main"));
    EXPECT_EQ(registry->Find("main")->info().state(), "unprovisioned");
    Close(registry);
}

TEST_F(NodeRegistryTest, ListsPageByPageInTheOrderOfTheIds) {
    auto registry = Open();
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(registry->Connect(AgentInfo("n" + std::to_string(4 - i)), static_cast<std::uint64_t>(i) + 1).ok());
    }
    const auto page = registry->List("n0", 2);
    ASSERT_EQ(page.size(), 2u);
    EXPECT_EQ(page[0]->info().node_id(), "n1");
    EXPECT_EQ(page[1]->info().node_id(), "n2");
    EXPECT_THAT(registry->List("n4", 10), IsEmpty());
    Close(registry);
}

}  // namespace
}  // namespace provhub::registry
