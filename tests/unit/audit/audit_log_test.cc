#include "common/audit/audit_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "common/audit/chain_scan.h"
#include "tests/support/json_lines.h"
#include "tests/support/manual_scheduler.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace provhub::audit {
namespace {

using test::IsError;
using test::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class AuditLogTest : public ::testing::Test {
 protected:
    absl::Status Open() {
        log_.reset();
        auto log = AuditLog::Open(options_, clock_);
        if (log.ok()) {
            log_ = *std::move(log);
        }
        return log.status();
    }

    // Waits for the disk.
    absl::Status Append(const std::string& message) {
        absl::Status result;
        absl::Notification done;
        log_->Append({.event = "done", .message = message}, AuditLog::Room::kBounded, [&](const absl::Status& status) {
            result = status;
            done.Notify();
        });
        done.WaitForNotification();
        return result;
    }

    std::vector<nlohmann::json> Records(const std::string& name = "log") { return test::JsonLines(dir_.Read(name)); }

    Verification MustVerify() {
        const auto result = Verify(options_.path);
        EXPECT_THAT(result, IsOk());
        return result.value_or(Verification());
    }

    void ExpectWhole() {
        const Verification result = MustVerify();
        EXPECT_FALSE(result.broken.has_value())
            << result.broken->file << ":" << result.broken->line << " " << result.broken->reason;
    }

    test::TempDir dir_;
    AuditLogOptions options_{.path = dir_.File("log")};
    test::ManualScheduler clock_;
    std::unique_ptr<AuditLog> log_;
};

TEST_F(AuditLogTest, HasWhatWasAppendedWhenItSaysSo) {
    ASSERT_THAT(Open(), IsOk());
    EXPECT_THAT(Append("one"), IsOk());
    ASSERT_THAT(Records(), SizeIs(2));
    EXPECT_EQ(Records()[0]["event"], "opened");
    EXPECT_EQ(Records()[1]["message"], "one");
    struct stat info {};
    ASSERT_EQ(::stat(options_.path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    ExpectWhole();
}

TEST_F(AuditLogTest, GoesOnWithTheChainWhenItIsOpenedAgain) {
    for (int i = 0; i < 3; ++i) {
        ASSERT_THAT(Open(), IsOk());
        ASSERT_THAT(Append("one"), IsOk());
    }
    EXPECT_EQ(MustVerify().last.seq, 6u);
    ExpectWhole();
}

TEST_F(AuditLogTest, WritesWhatWaitsBeforeItEnds) {
    ASSERT_THAT(Open(), IsOk());
    for (int i = 0; i < 1000; ++i) {
        log_->AppendEvent({.event = "refused", .message = "somebody"});
    }
    log_.reset();
    EXPECT_EQ(MustVerify().records, 1001u);
    ExpectWhole();
}

TEST_F(AuditLogTest, TakesRecordsFromManyThreads) {
    options_.max_bytes = 20'000;
    options_.max_files = 100;
    ASSERT_THAT(Open(), IsOk());
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([this] {
            for (int j = 0; j < 50; ++j) {
                EXPECT_THAT(Append("one of many"), IsOk());
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(MustVerify().records, 401u);
    ExpectWhole();
}

TEST_F(AuditLogTest, RefusesWhatDoesNotFitWhileTheDiskIsSlow) {
    ASSERT_THAT(Open(), IsOk());
    absl::Notification slow;
    absl::Notification writing;
    log_->Append({.event = "done"}, AuditLog::Room::kBounded, [&](const absl::Status&) {
        writing.Notify();
        slow.WaitForNotification();
    });
    writing.WaitForNotification();
    absl::BlockingCounter written(AuditLog::kMaxWaiting + 1);
    const auto count = [&](const absl::Status& status) {
        EXPECT_THAT(status, IsOk());
        written.DecrementCount();
    };
    for (std::size_t i = 0; i < AuditLog::kMaxWaiting; ++i) {
        log_->Append({.event = "begun"}, AuditLog::Room::kBounded, count);
    }
    absl::Status refused;
    log_->Append({.event = "begun"}, AuditLog::Room::kBounded, [&](const absl::Status& status) { refused = status; });
    EXPECT_THAT(refused, IsError(absl::StatusCode::kResourceExhausted, "4096"));
    log_->Append({.event = "done"}, AuditLog::Room::kReserved, count);
    slow.Notify();
    written.Wait();
    log_.reset();
    ExpectWhole();
}

TEST_F(AuditLogTest, KeepsSoManyFilesOfSuchASize) {
    options_.max_bytes = 2000;
    options_.max_files = 3;
    ASSERT_THAT(Open(), IsOk());
    for (int i = 0; i < 60; ++i) {
        ASSERT_THAT(Append("as long as most of them are"), IsOk());
    }
    EXPECT_THAT(dir_.List(), ElementsAre("log", "log.1", "log.2"));
    for (const char* name : {"log.1", "log.2"}) {
        EXPECT_GE(dir_.Read(name).size(), 2000u);
        EXPECT_LT(dir_.Read(name).size(), 2600u);
    }
    EXPECT_EQ(MustVerify().last.seq, 61u);
    EXPECT_GT(MustVerify().first_seq, 1u);
    ExpectWhole();
}

TEST_F(AuditLogTest, KeepsOneFileWhereOneIsAskedFor) {
    options_.max_bytes = 2000;
    options_.max_files = 1;
    ASSERT_THAT(Open(), IsOk());
    for (int i = 0; i < 20; ++i) {
        ASSERT_THAT(Append("as long as most of them are"), IsOk());
    }
    EXPECT_THAT(dir_.List(), ElementsAre("log"));
    ExpectWhole();
}

TEST_F(AuditLogTest, RemovesWhatIsTooManyAfterTheNumberWasLowered) {
    options_.max_bytes = 1000;
    ASSERT_THAT(Open(), IsOk());
    for (int i = 0; i < 30; ++i) {
        ASSERT_THAT(Append("as long as most of them are"), IsOk());
    }
    ASSERT_GT(dir_.List().size(), 5u);
    options_.max_files = 2;
    ASSERT_THAT(Open(), IsOk());
    for (int i = 0; i < 5; ++i) {
        ASSERT_THAT(Append("as long as most of them are"), IsOk());
    }
    EXPECT_THAT(dir_.List(), ElementsAre("log", "log.1"));
    ExpectWhole();
}

TEST_F(AuditLogTest, GoesOnAfterARotationThatWasCutOffAnywhere) {
    options_.max_bytes = 1000;
    options_.max_files = 4;
    constexpr std::size_t kSteps = 5;
    for (std::size_t done = 0; done <= kSteps; ++done) {
        SCOPED_TRACE(done);
        const std::string path = dir_.File(absl::StrCat(done, "/log"));
        ASSERT_EQ(::mkdir(dir_.File(absl::StrCat(done)).c_str(), 0700), 0);
        options_.path = path;
        ASSERT_THAT(Open(), IsOk());
        for (int i = 0; i < 15; ++i) {
            ASSERT_THAT(Append("as long as most of them are"), IsOk());
        }
        log_.reset();
        const std::function<int()> steps[kSteps] = {
            [&] { return ::unlink((path + ".3").c_str()); },
            [&] { return std::rename((path + ".2").c_str(), (path + ".3").c_str()); },
            [&] { return std::rename((path + ".1").c_str(), (path + ".2").c_str()); },
            [&] { return std::rename(path.c_str(), (path + ".1").c_str()); },
            [&] { return ::close(::open(path.c_str(), O_CREAT | O_WRONLY, 0600)); },
        };
        for (std::size_t i = 0; i < done; ++i) {
            ASSERT_EQ(steps[i](), 0);
        }
        ExpectWhole();
        EXPECT_EQ(MustVerify().last.seq, 16u);
        ASSERT_THAT(Open(), IsOk());
        for (int i = 0; i < 12; ++i) {
            EXPECT_EQ(MustVerify().last.seq, 17u + static_cast<unsigned int>(i));
            ExpectWhole();
            ASSERT_THAT(Append("as long as most of them are"), IsOk());
        }
        EXPECT_EQ(MustVerify().files, 4u);
    }
}

TEST_F(AuditLogTest, CutsOffALineThatAPowerCutLeftHalfWritten) {
    ASSERT_THAT(Open(), IsOk());
    ASSERT_THAT(Append("one"), IsOk());
    log_.reset();
    const std::string whole = dir_.Read("log");
    for (const std::string& torn : {std::string("{\"seq\":3,"), std::string(300, '\0'),
                                    std::string(300, '\0') + "end of a line\n" + whole + std::string(9, '\0') + "\n"}) {
        dir_.Write("log", whole + torn);
        ASSERT_THAT(Open(), IsOk());
        ASSERT_THAT(Records(), SizeIs(3));
        EXPECT_EQ(Records()[2]["event"], "recovered");
        EXPECT_EQ(Records()[2]["message"], absl::StrCat(torn.size(), " bytes of an interrupted write were cut off"));
        ASSERT_THAT(Append("two"), IsOk());
        ExpectWhole();
        log_.reset();
    }
}

TEST_F(AuditLogTest, CutsOffTheFirstLineOfANewFileToo) {
    options_.max_bytes = 200;
    ASSERT_THAT(Open(), IsOk());
    ASSERT_THAT(Append("one"), IsOk());
    log_.reset();
    dir_.Write("log", "{\"seq");
    ASSERT_THAT(Open(), IsOk());
    EXPECT_EQ(Records()[0]["event"], "recovered");
    EXPECT_EQ(Records()[0]["seq"], 2);
    ExpectWhole();
}

TEST_F(AuditLogTest, LeavesDamageWhereItIsAndGoesOn) {
    ASSERT_THAT(Open(), IsOk());
    ASSERT_THAT(Append("one"), IsOk());
    ASSERT_THAT(Append("two"), IsOk());
    log_.reset();
    std::string content = dir_.Read("log");
    content.replace(content.find("one"), 3, "eno");
    dir_.Write("log", content);
    ASSERT_THAT(Open(), IsOk());
    ASSERT_THAT(Append("three"), IsOk());
    EXPECT_THAT(dir_.Read("log").substr(0, content.size()), content);
    EXPECT_EQ(Records()[3]["seq"], 4);
    EXPECT_EQ(Records()[3]["event"], "opened");
    ASSERT_TRUE(MustVerify().broken.has_value());
    EXPECT_EQ(MustVerify().broken->line, 2u);
}

TEST_F(AuditLogTest, BeginsAnewBehindAnEndThatIsNoRecord) {
    ASSERT_THAT(Open(), IsOk());
    ASSERT_THAT(Append("one"), IsOk());
    log_.reset();
    for (const char* end : {"something else\n", "{\"seq\":7}\n"}) {
        const std::string content = dir_.Read("log") + end;
        dir_.Write("log", content);
        ASSERT_THAT(Open(), IsOk());
        EXPECT_THAT(dir_.Read("log").substr(0, content.size()), content);
        EXPECT_EQ(Records().back()["event"], "restarted");
        EXPECT_THAT(Records().back()["message"].get<std::string>(), HasSubstr("no record"));
        ASSERT_THAT(Append("two"), IsOk());
        ASSERT_TRUE(MustVerify().broken.has_value());
        EXPECT_EQ(MustVerify().broken->line, 3u);
        // It does so once.
        ASSERT_THAT(Open(), IsOk());
        EXPECT_EQ(Records().back()["event"], "opened");
        log_.reset();
    }
}

TEST_F(AuditLogTest, DoesNotCutOffMoreThanAWriteCanHaveLeft) {
    const std::string foreign(LogFiles::kMaxBatchBytes + 1, 'x');
    dir_.Write("log", foreign);
    ASSERT_EQ(::chmod(options_.path.c_str(), 0600), 0);
    ASSERT_THAT(Open(), IsOk());
    EXPECT_THAT(dir_.Read("log").substr(0, foreign.size() + 1), foreign + "\n");
    EXPECT_EQ(Records().back()["event"], "restarted");
}

TEST_F(AuditLogTest, SaysThatItCannotBeWritten) {
    struct rlimit unlimited {};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_THAT(Open(), IsOk());
    struct rlimit full = unlimited;
    full.rlim_cur = dir_.Read("log").size() + 100;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    EXPECT_THAT(Append("one"), test::IsError(absl::StatusCode::kOutOfRange, "cannot write"));
    EXPECT_THAT(Append("two"), testing::Not(IsOk()));
    // Nothing of it is there.
    EXPECT_THAT(Records(), SizeIs(1));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    EXPECT_THAT(Append("three"), IsOk());
    std::signal(SIGXFSZ, handler);
    EXPECT_THAT(Records(), SizeIs(2));
    ExpectWhole();
}

TEST_F(AuditLogTest, GrowsOnWhereItCannotBeRotated) {
    options_.max_bytes = 1000;
    options_.max_files = 2;
    ASSERT_THAT(Open(), IsOk());
    ASSERT_EQ(::mkdir(dir_.File("log.1").c_str(), 0700), 0);
    for (int i = 0; i < 10; ++i) {
        ASSERT_THAT(Append("as long as most of them are"), IsOk());
    }
    EXPECT_GT(dir_.Read("log").size(), 3000u);
    ASSERT_EQ(::rmdir(dir_.File("log.1").c_str()), 0);
    ASSERT_THAT(Append("as long as most of them are"), IsOk());
    EXPECT_THAT(dir_.List(), ElementsAre("log", "log.1"));
    ExpectWhole();
}

TEST_F(AuditLogTest, RefusesWhatIsNoFileForIt) {
    options_.path = dir_.File("none/log");
    EXPECT_THAT(Open(), IsError(absl::StatusCode::kNotFound, "cannot open the directory"));
    options_.path = dir_.File("link");
    ASSERT_EQ(::symlink("elsewhere", options_.path.c_str()), 0);
    EXPECT_THAT(Open(), IsError(absl::StatusCode::kFailedPrecondition, "symbolic link"));
    options_.path = dir_.File("fifo");
    ASSERT_EQ(::mkfifo(options_.path.c_str(), 0600), 0);
    EXPECT_THAT(Open(), IsError(absl::StatusCode::kFailedPrecondition, "not a regular file"));
    options_.path = dir_.Write("open", "");
    ASSERT_EQ(::chmod(options_.path.c_str(), 0666), 0);
    EXPECT_THAT(Open(), IsError(absl::StatusCode::kFailedPrecondition, "chmod it to 0600"));
}

TEST_F(AuditLogTest, BelongsToOneProcess) {
    ASSERT_THAT(Open(), IsOk());
    EXPECT_THAT(AuditLog::Open(options_, clock_), IsError(absl::StatusCode::kFailedPrecondition, "in use"));
}

}  // namespace
}  // namespace provhub::audit
