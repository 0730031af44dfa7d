#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/node/node_info.h"

namespace provhub::node {
namespace {

std::string X86Block(int processor, int socket, int core) {
    return absl::StrCat("processor\t: ", processor,
                        "\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) @ 2.0GHz\n",
                        "physical id\t: ", socket, "\nsiblings\t: 4\ncore id\t\t: ", core,
                        "\ncpu cores\t: 2\nflags\t\t: fpu vme\npower management:\n\n");
}

void ExpectCpu(const iamanager::v6::CPUInfo& cpu, absl::string_view model, int cores, int threads) {
    EXPECT_EQ(absl::string_view(cpu.model_name()), model);
    EXPECT_EQ(cpu.num_cores(), static_cast<std::uint64_t>(cores));
    EXPECT_EQ(cpu.num_threads(), static_cast<std::uint64_t>(threads));
}

TEST(CpuInfo, CountsCoresAndThreadsOfEachSocket) {
    std::string text;
    for (int processor = 0; processor < 8; ++processor) {
        text += X86Block(processor, processor / 4, processor % 2);
    }
    const auto cpus = ParseCpuInfo(text);
    ASSERT_EQ(cpus.size(), 2U);
    ExpectCpu(cpus[0], "Intel(R) Xeon(R) @ 2.0GHz", 2, 4);
    ExpectCpu(cpus[1], "Intel(R) Xeon(R) @ 2.0GHz", 2, 4);
}

TEST(CpuInfo, TakesSocketsThatAreInterleaved) {
    const auto cpus = ParseCpuInfo(X86Block(0, 0, 0) + X86Block(1, 1, 0) + X86Block(2, 0, 1));
    ASSERT_EQ(cpus.size(), 2U);
    ExpectCpu(cpus[0], "Intel(R) Xeon(R) @ 2.0GHz", 2, 2);
    ExpectCpu(cpus[1], "Intel(R) Xeon(R) @ 2.0GHz", 1, 1);
}

TEST(CpuInfo, TakesAMachineThatKnowsNoSockets) {
    const auto cpus = ParseCpuInfo("processor\t: 0\nmodel name\t: vCPU\n\nprocessor\t: 1\nmodel name\t: vCPU\n");
    ASSERT_EQ(cpus.size(), 1U);
    ExpectCpu(cpus[0], "vCPU", 2, 2);
}

TEST(CpuInfo, TellsTheKindsOfCoreOfA64BitArmApart) {
    const std::string little = "BogoMIPS\t: 48.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd03\nCPU revision\t: 4\n\n";
    const std::string big = "BogoMIPS\t: 48.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd09\nCPU revision\t: 2\n\n";
    const auto cpus =
        ParseCpuInfo("processor\t: 0\n" + little + "processor\t: 1\n" + little + "processor\t: 2\n" + big);
    ASSERT_EQ(cpus.size(), 2U);
    ExpectCpu(cpus[0], "CPU implementer 0x41 part 0xd03", 2, 2);
    ExpectCpu(cpus[1], "CPU implementer 0x41 part 0xd09", 1, 1);
}

TEST(CpuInfo, Takes32BitArmWithTheMachineBehindTheBlocks) {
    const auto cpus = ParseCpuInfo(
        "processor\t: 0\nmodel name\t: ARMv7 Processor rev 3 (v7l)\nCPU part\t: 0xd08\n\n"
        "processor\t: 1\nmodel name\t: ARMv7 Processor rev 3 (v7l)\nCPU part\t: 0xd08\n\n"
        "Hardware\t: BCM2711\nRevision\t: c03111\nSerial\t\t: 100000\nModel\t\t: Raspberry Pi 4\n");
    ASSERT_EQ(cpus.size(), 1U);
    ExpectCpu(cpus[0], "ARMv7 Processor rev 3 (v7l)", 2, 2);
}

TEST(CpuInfo, TakesOlderArmKernelsThatNameTheModelOnce) {
    const auto cpus = ParseCpuInfo(
        "Processor\t: ARMv7 Processor rev 2 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 38.40\n\n"
        "processor\t: 1\nBogoMIPS\t: 38.40\n\nFeatures\t: neon\n");
    ASSERT_EQ(cpus.size(), 1U);
    ExpectCpu(cpus[0], "ARMv7 Processor rev 2 (v7l)", 2, 2);
}

TEST(CpuInfo, FindsNothingInGarbage) {
    EXPECT_TRUE(ParseCpuInfo("").empty());
    EXPECT_TRUE(ParseCpuInfo("no colon\n:::\n\n\n").empty());
    EXPECT_TRUE(ParseCpuInfo(std::string(100'000, 'p')).empty());
}

TEST(MemInfo, IsGivenInBytes) {
    EXPECT_EQ(*ParseTotalMemory("MemTotal:       16384 kB\nMemFree:  1 kB\n"), 16384U * 1024);
    EXPECT_EQ(*ParseTotalMemory("HugePages: 1\nMemTotal: 18014398509481983 kB"), 18014398509481983U * 1024);
}

TEST(MemInfo, RefusesWhatIsNoAmount) {
    for (const char* text : {"", "MemFree: 1 kB\n", "MemTotal: many kB\n", "MemTotal: 12\n", "MemTotal: -1 kB\n",
                             "MemTotal: 18014398509481984 kB\n", "MemTotal:"}) {
        EXPECT_EQ(ParseTotalMemory(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
    }
}

}  // namespace
}  // namespace provhub::node
