// What is in the log when its process is killed: everything that it was said to have, in one chain.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/audit/audit_log.h"
#include "common/audit/chain_scan.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace provhub::audit {
namespace {

using test::IsOk;

// Appends until it is killed, and writes a byte to `acknowledged` for each record that is said to be on the disk.
[[noreturn]] void AppendForEver(const AuditLogOptions& options, int acknowledged) {
    const test::ManualScheduler clock;
    const auto log = AuditLog::Open(options, clock);
    while (log.ok()) {
        absl::Notification done;
        (*log)->Append({.event = "done", .message = "as long as most of them are"}, AuditLog::Room::kBounded,
                       [&](const absl::Status& status) {
                           if (status.ok() && ::write(acknowledged, "x", 1) != 1) {
                               ::_exit(1);
                           }
                           done.Notify();
                       });
        done.WaitForNotification();
    }
    ::_exit(2);
}

// Reads until `enough` bytes came or the writer has ended, and returns how many there were.
std::uint64_t Count(int file, std::uint64_t enough) {
    std::uint64_t count = 0;
    std::array<char, 256> bytes{};
    while (count < enough) {
        const ssize_t got = ::read(file, bytes.data(), bytes.size());
        if (got <= 0) {
            break;
        }
        count += static_cast<std::uint64_t>(got);
    }
    return count;
}

TEST(KilledAuditLog, HasEverythingThatItAcknowledgedInOneChain) {
    const test::TempDir dir;
    // A rotation with every third record.
    const AuditLogOptions options{.path = dir.File("log"), .max_bytes = 1000, .max_files = 100'000};
    const test::ManualScheduler clock;
    std::mt19937 random(20'261'123);
    std::uint64_t acknowledged = 0;
    for (int round = 0; round < 60; ++round) {
        std::array<int, 2> pipe{};
        ASSERT_EQ(::pipe(pipe.data()), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(pipe[0]);
            AppendForEver(options, pipe[1]);
        }
        ::close(pipe[1]);
        // Anywhere in a few records, counted from one of them.
        acknowledged += Count(pipe[0], random() % 8);
        struct timespec pause = {.tv_sec = 0, .tv_nsec = static_cast<long>(random() % 2'000'000)};
        ::nanosleep(&pause, nullptr);
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << status;
        acknowledged += Count(pipe[0], UINT64_MAX);
        ::close(pipe[0]);

        ASSERT_THAT(AuditLog::Open(options, clock), IsOk());
        const auto verification = Verify(options.path);
        ASSERT_THAT(verification, IsOk());
        ASSERT_FALSE(verification->broken.has_value())
            << verification->broken->file << ":" << verification->broken->line << " " << verification->broken->reason;
        ASSERT_GE(verification->records, acknowledged);
        ASSERT_EQ(verification->first_seq, 1u);
        ASSERT_EQ(verification->records, verification->last.seq);
    }
    EXPECT_GT(acknowledged, 60u);
}

}  // namespace
}  // namespace provhub::audit
