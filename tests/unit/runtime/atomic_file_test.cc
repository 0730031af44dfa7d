#include "common/runtime/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/support/temp_dir.h"

namespace provhub::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

mode_t ModeOf(const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 ? found.st_mode & 07777 : 0;
}

TEST(WriteFileAtomically, MakesTheFileWithItsModeWhateverTheUmask) {
    const test::TempDir dir;
    const mode_t before = ::umask(077);
    ASSERT_TRUE(WriteFileAtomically(dir.File("a"), "one\n", 0644).ok());
    ::umask(before);
    EXPECT_EQ(dir.Read("a"), "one\n");
    EXPECT_EQ(ModeOf(dir.File("a")), 0644U);
    EXPECT_THAT(dir.List(), ElementsAre("a"));
}

TEST(WriteFileAtomically, ReplacesContentAndModeOfAnOlderFile) {
    const test::TempDir dir;
    ASSERT_TRUE(WriteFileAtomically(dir.File("a"), "a longer content", 0644).ok());
    ASSERT_TRUE(WriteFileAtomically(dir.File("a"), "two", 0600).ok());
    EXPECT_EQ(dir.Read("a"), "two");
    EXPECT_EQ(ModeOf(dir.File("a")), 0600U);
}

TEST(WriteFileAtomically, MakesMissingDirectoriesThatItsReadersCanEnter) {
    const test::TempDir dir;
    const mode_t before = ::umask(077);
    ASSERT_TRUE(WriteFileAtomically(dir.File("open/deep/state"), "x", 0644).ok());
    ASSERT_TRUE(WriteFileAtomically(dir.File("closed/deep/pin"), "x", 0600).ok());
    ::umask(before);
    EXPECT_EQ(ModeOf(dir.File("open/deep")), 0755U);
    EXPECT_EQ(ModeOf(dir.File("closed")), 0700U);
    EXPECT_EQ(dir.Read("open/deep/state"), "x");
}

TEST(WriteFileAtomically, RemovesWhatAKilledWriterLeftBehind) {
    const test::TempDir dir;
    dir.Write(".a.new", "half a fi");
    ASSERT_TRUE(WriteFileAtomically(dir.File("a"), "whole", 0600).ok());
    EXPECT_THAT(dir.List(), ElementsAre("a"));
    EXPECT_EQ(dir.Read("a"), "whole");
}

TEST(WriteFileAtomically, DoesNotFollowALinkThatSomebodyPutInItsWay) {
    const test::TempDir dir;
    dir.Write("victim", "untouched");
    ASSERT_EQ(::symlink(dir.File("victim").c_str(), dir.File(".a.new").c_str()), 0);
    ASSERT_TRUE(WriteFileAtomically(dir.File("a"), "mine", 0600).ok());
    EXPECT_EQ(dir.Read("victim"), "untouched");
    EXPECT_EQ(dir.Read("a"), "mine");
}

TEST(WriteFileAtomically, GivesTheFileItsOwner) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root may give files away";
    }
    const test::TempDir dir;
    ASSERT_TRUE(WriteFileAtomically(dir.File("a"), "x", 0600, {.uid = 12345, .gid = std::nullopt}).ok());
    struct stat found {};
    ASSERT_EQ(::stat(dir.File("a").c_str(), &found), 0);
    EXPECT_EQ(found.st_uid, 12345U);
    EXPECT_EQ(found.st_gid, ::getegid());
}

// The limit of the file size stands in for a full disk; it holds for a process, hence the child.
TEST(WriteFileAtomically, KeepsTheOldFileWhenTheDiskIsFull) {
    const test::TempDir dir;
    dir.Write("a", "old");
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{4, 4};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const absl::Status status = WriteFileAtomically(dir.File("a"), "too long for it", 0600);
        ::_exit(!status.ok() && status.message().find("cannot write") != absl::string_view::npos ? 0 : 1);
    }
    int result = 1;
    ASSERT_EQ(::waitpid(child, &result, 0), child);
    EXPECT_EQ(result, 0);
    EXPECT_EQ(dir.Read("a"), "old");
    EXPECT_THAT(dir.List(), ElementsAre("a"));
}

TEST(WriteFileAtomically, KeepsADirectoryThatStandsInItsPlace) {
    const test::TempDir dir;
    dir.Write("a/inside", "x");
    const absl::Status status = WriteFileAtomically(dir.File("a"), "y", 0600);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr("cannot replace"));
    EXPECT_EQ(dir.Read("a/inside"), "x");
    EXPECT_THAT(dir.List(), ElementsAre("a"));
}

TEST(WriteFileAtomically, SaysWhichDirectoryItCouldNotMake) {
    const test::TempDir dir;
    dir.Write("file", "x");
    const absl::Status status = WriteFileAtomically(dir.File("file/below/a"), "y", 0600);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr("file/below"));
}

TEST(WriteFileAtomically, RefusesAPathWithoutAName) {
    EXPECT_EQ(WriteFileAtomically("", "x", 0600).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(WriteFileAtomically("/tmp/", "x", 0600).code(), absl::StatusCode::kInvalidArgument);
}

TEST(ReadSmallFile, ReturnsEveryByte) {
    const test::TempDir dir;
    const std::string bytes("a\0b\n\xff", 5);
    dir.Write("a", bytes);
    EXPECT_EQ(*ReadSmallFile(dir.File("a"), 100), bytes);
    dir.Write("empty", "");
    EXPECT_EQ(*ReadSmallFile(dir.File("empty"), 100), "");
}

TEST(ReadSmallFile, TakesAFileOfExactlyTheLimitAndNoneLarger) {
    const test::TempDir dir;
    dir.Write("a", std::string(100, 'x'));
    EXPECT_EQ(ReadSmallFile(dir.File("a"), 100)->size(), 100U);
    const auto larger = ReadSmallFile(dir.File("a"), 99);
    EXPECT_EQ(larger.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(larger.status().message()), HasSubstr("larger than 99 bytes"));
}

TEST(ReadSmallFile, ReadsFilesThatHaveNoSize) {
    const auto content = ReadSmallFile("/proc/self/status", 1 << 20);
    ASSERT_TRUE(content.ok()) << content.status();
    EXPECT_THAT(*content, HasSubstr("Name:"));
}

TEST(ReadSmallFile, DoesNotWaitForAPipeOrADevice) {
    const test::TempDir dir;
    ASSERT_EQ(::mkfifo(dir.File("pipe").c_str(), 0600), 0);
    EXPECT_EQ(ReadSmallFile(dir.File("pipe"), 10).status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReadSmallFile("/dev/zero", 10).status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReadSmallFile(dir.path(), 10).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ReadSmallFile, TellsAMissingFileFromOtherFaults) {
    const test::TempDir dir;
    EXPECT_EQ(ReadSmallFile(dir.File("absent"), 10).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace provhub::runtime
