#include "common/node/node_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "provhub/config/v1/config.pb.h"
#include "tests/support/temp_dir.h"

namespace provhub::node {
namespace {

using ::testing::HasSubstr;

class NodeInfoTest : public ::testing::Test {
 protected:
    NodeInfoTest() {
        config_.set_node_id_path(dir_.Write("id", "node-1\n"));
        config_.set_cpu_info_path(dir_.Write("cpuinfo",
                                             "processor: 0\nmodel name: Big\nphysical id: 0\n\n"
                                             "processor: 1\nmodel name: Big\nphysical id: 0\n\n"
                                             "processor: 2\nmodel name: Big\nphysical id: 0\n\n"
                                             "processor: 3\nmodel name: Big\nphysical id: 1\n"));
        config_.set_mem_info_path(dir_.Write("meminfo", "MemTotal: 2 kB\n"));
        machine_.os_release = dir_.Write("os-release", "NAME=x\nID=debian\nVERSION_ID=\"12\"\n");
    }

    iamanager::v6::NodeInfo Read(bool main_node = false) {
        auto info = ReadNodeInfo(config_, main_node, machine_);
        EXPECT_TRUE(info.ok()) << info.status();
        return info.ok() ? *info : iamanager::v6::NodeInfo();
    }

    absl::Status IdRefusal(absl::string_view id_file) {
        config_.set_node_id_path(dir_.Write("bad-id", id_file));
        return ReadNodeInfo(config_, false, machine_).status();
    }

    const test::TempDir dir_;
    config::v1::NodeInfo config_;
    MachineFiles machine_;
};

TEST_F(NodeInfoTest, TakesTheFirstLineOfTheIdFile) {
    config_.set_node_id_path(dir_.Write("two", "  abc 1 \r\nsecond\n"));
    EXPECT_EQ(Read().node_id(), "abc 1");
    config_.set_node_id_path(dir_.Write("long", std::string(64, 'x')));
    EXPECT_EQ(Read().node_id(), std::string(64, 'x'));
}

TEST_F(NodeInfoTest, RefusesAnIdThatCannotNameANode) {
    for (const std::string& bad : {std::string(), std::string("\n"), std::string("   \nnode"), std::string(65, 'x'),
                                   std::string("caf\xc3\xa9"), std::string("a\tb"), std::string("a\0b", 3)}) {
        const absl::Status refusal = IdRefusal(bad);
        EXPECT_EQ(refusal.code(), absl::StatusCode::kInvalidArgument) << bad;
        EXPECT_THAT(std::string(refusal.message()), HasSubstr("bad-id"));
    }
}

TEST_F(NodeInfoTest, SaysThatTheIdFileIsMissing) {
    config_.set_node_id_path(dir_.File("absent"));
    const auto info = ReadNodeInfo(config_, false, machine_);
    EXPECT_EQ(info.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(info.status().message()), HasSubstr("absent"));
}

TEST_F(NodeInfoTest, PassesOnWhatTheConfigurationSays) {
    config_.set_node_name("central");
    config_.set_node_type("gateway");
    config_.set_max_dmips(10'001);
    config_.set_architecture("arm64");
    config_.set_architecture_variant("v8");
    config_.set_os("qnx");
    config_.set_os_version("8");
    const auto info = Read();
    EXPECT_EQ(info.title(), "central");
    EXPECT_EQ(info.node_type(), "gateway");
    EXPECT_EQ(info.max_dmips(), 10'001U);
    EXPECT_EQ(info.os_info().os(), "qnx");
    EXPECT_EQ(info.os_info().version(), "8");
    ASSERT_EQ(info.cpus_size(), 2);
    for (const auto& cpu : info.cpus()) {
        EXPECT_EQ(cpu.arch_info().architecture(), "arm64");
        EXPECT_EQ(cpu.arch_info().variant(), "v8");
    }
    EXPECT_EQ(info.cpus(0).max_dmips(), 7500U);
    EXPECT_EQ(info.cpus(1).max_dmips(), 2500U);
}

TEST_F(NodeInfoTest, AsksTheMachineForWhatTheConfigurationLeavesOut) {
    utsname kernel{};
    ASSERT_EQ(::uname(&kernel), 0);
    const auto info = Read();
    EXPECT_EQ(info.os_info().os(), "linux");
    EXPECT_EQ(info.os_info().version(), "12");
    EXPECT_EQ(info.cpus(0).arch_info().architecture(), kernel.machine);
    EXPECT_EQ(info.total_ram(), 2048U);
    EXPECT_EQ(info.physical_ram(), 2048U);

    machine_.os_release = dir_.File("absent");
    EXPECT_EQ(Read().os_info().version(), kernel.release);
}

TEST_F(NodeInfoTest, UnderstandsThisMachine) {
    config_.set_cpu_info_path("/proc/cpuinfo");
    config_.set_mem_info_path("/proc/meminfo");
    const auto info = Read();
    ASSERT_GE(info.cpus_size(), 1);
    EXPECT_GE(info.cpus(0).num_threads(), info.cpus(0).num_cores());
    EXPECT_GE(info.cpus(0).num_cores(), 1U);
    EXPECT_GT(info.total_ram(), 64U << 20);
}

TEST_F(NodeInfoTest, LeavesEmptyWhatCannotBeFoundOut) {
    config_.set_cpu_info_path(dir_.File("absent"));
    config_.set_mem_info_path(dir_.Write("odd", "nothing here\n"));
    const auto info = Read();
    EXPECT_EQ(info.cpus_size(), 0);
    EXPECT_EQ(info.total_ram(), 0U);
    EXPECT_EQ(info.node_id(), "node-1");
}

TEST_F(NodeInfoTest, MeasuresPartitionsAndTakesAMissingOneAsEmpty) {
    auto& here = *config_.add_partitions();
    here.set_name("var");
    here.add_types("generic");
    here.add_types("layers");
    here.set_path(dir_.path());
    auto& gone = *config_.add_partitions();
    gone.set_name("gone");
    gone.set_path(dir_.File("absent"));
    struct statvfs found {};
    ASSERT_EQ(::statvfs(dir_.path().c_str(), &found), 0);
    const auto info = Read();
    ASSERT_EQ(info.partitions_size(), 2);
    EXPECT_EQ(info.partitions(0).name(), "var");
    EXPECT_EQ(info.partitions(0).types_size(), 2);
    EXPECT_EQ(info.partitions(0).path(), dir_.path());
    EXPECT_EQ(info.partitions(0).total_size(), found.f_blocks * found.f_frsize);
    EXPECT_EQ(info.partitions(1).name(), "gone");
    EXPECT_EQ(info.partitions(1).total_size(), 0U);
}

TEST_F(NodeInfoTest, SortsAttributes) {
    (*config_.mutable_attrs())["b"] = "2";
    (*config_.mutable_attrs())["a"] = "1";
    const auto info = Read(true);
    ASSERT_EQ(info.attrs_size(), 3);
    EXPECT_EQ(info.attrs(0).name(), "MainNode");
    EXPECT_EQ(info.attrs(0).value(), "");
    EXPECT_EQ(info.attrs(1).name(), "a");
    EXPECT_EQ(info.attrs(2).value(), "2");
}

TEST_F(NodeInfoTest, KeepsTheMainNodeAttributeOfTheConfiguration) {
    (*config_.mutable_attrs())["mainNode"] = "yes";
    const auto info = Read(true);
    ASSERT_EQ(info.attrs_size(), 1);
    EXPECT_EQ(info.attrs(0).name(), "MainNode");
    EXPECT_EQ(info.attrs(0).value(), "yes");
}

TEST_F(NodeInfoTest, RefusesTheMainNodeAttributeOnASecondaryNode) {
    (*config_.mutable_attrs())["MainNode"] = "";
    const auto info = ReadNodeInfo(config_, false, machine_);
    EXPECT_EQ(info.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(info.status().message()), HasSubstr("nodeInfo.attrs.MainNode"));
}

}  // namespace
}  // namespace provhub::node
