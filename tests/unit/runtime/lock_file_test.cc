#include "common/runtime/lock_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"

namespace provhub::runtime {
namespace {

using ::testing::HasSubstr;

TEST(LockFile, RefusesASecondHolderAndNamesTheFirst) {
    const test::TempDir dir;
    const auto first = LockFile::Acquire(dir.File("lock"));
    ASSERT_TRUE(first.ok()) << first.status();
    const auto second = LockFile::Acquire(dir.File("lock"));
    EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(second.status().message()), HasSubstr(absl::StrCat("process ", getpid())));
}

TEST(LockFile, IsFreeAgainWhenItsHolderLetsGo) {
    const test::TempDir dir;
    ASSERT_TRUE(LockFile::Acquire(dir.File("lock")).ok());
    EXPECT_TRUE(LockFile::Acquire(dir.File("lock")).ok());
}

TEST(LockFile, IsFreeAgainWhenItsHolderWasKilled) {
    const test::TempDir dir;
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        const auto lock = LockFile::Acquire(dir.File("lock"));
        if (write(ready[1], lock.ok() ? "y" : "n", 1) == 1) {
            pause();
        }
        _exit(1);
    }
    char answer = 0;
    ASSERT_EQ(read(ready[0], &answer, 1), 1);
    ASSERT_EQ(answer, 'y');
    const auto refused = LockFile::Acquire(dir.File("lock"));
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(absl::StrCat("process ", child)));

    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
    EXPECT_TRUE(LockFile::Acquire(dir.File("lock")).ok());
}

TEST(LockFile, IsNotHeldByAProgramThatItsHolderStarted) {
    const test::TempDir dir;
    pid_t child = 0;
    {
        const auto lock = LockFile::Acquire(dir.File("lock"));
        ASSERT_TRUE(lock.ok());
        int started[2];
        ASSERT_EQ(pipe(started), 0);
        child = fork();
        if (child == 0) {
            dup2(started[1], STDOUT_FILENO);
            execl("/bin/sh", "sh", "-c", "echo; exec sleep 60", nullptr);
            _exit(1);
        }
        char line = 0;
        ASSERT_EQ(read(started[0], &line, 1), 1);
        close(started[0]);
        close(started[1]);
    }
    EXPECT_TRUE(LockFile::Acquire(dir.File("lock")).ok());
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
}

TEST(LockFile, SaysWhereItsDirectoryIsMissing) {
    const test::TempDir dir;
    const auto lock = LockFile::Acquire(dir.File("absent/lock"));
    EXPECT_EQ(lock.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(lock.status().message()), HasSubstr("absent/lock"));
}

TEST(LockFile, RefusesADirectoryAndASymbolicLink) {
    const test::TempDir dir;
    EXPECT_FALSE(LockFile::Acquire(dir.path()).ok());
    ASSERT_EQ(symlink("/dev/null", dir.File("link").c_str()), 0);
    EXPECT_FALSE(LockFile::Acquire(dir.File("link")).ok());
}

}  // namespace
}  // namespace provhub::runtime
