#include "common/node/state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_dir.h"

namespace provhub::node {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<StateRecord> Parsed(absl::string_view content) {
    const test::TempDir dir;
    return ReadStateFile(dir.Write("state", content));
}

std::string Refusal(absl::string_view content) {
    const auto record = Parsed(content);
    EXPECT_EQ(record.status().code(), absl::StatusCode::kFailedPrecondition);
    return std::string(record.status().message());
}

TEST(StateFile, AMissingFileMeansUnprovisioned) {
    const test::TempDir dir;
    const auto record = ReadStateFile(dir.File("absent"));
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_EQ(*record, (StateRecord{NodeState::kUnprovisioned, Phase::kNone}));
}

TEST(StateFile, ReadsBackEveryStateAndPhase) {
    const test::TempDir dir;
    for (const auto state :
         {NodeState::kUnprovisioned, NodeState::kProvisioned, NodeState::kPaused, NodeState::kError}) {
        for (const auto phase :
             {Phase::kNone, Phase::kStarting, Phase::kStarted, Phase::kDeprovisioning, Phase::kErasing}) {
            const StateRecord record{state, phase};
            ASSERT_TRUE(WriteStateFile(dir.File("state"), record, absl::UnixEpoch()).ok());
            const auto read = ReadStateFile(dir.File("state"));
            ASSERT_TRUE(read.ok()) << read.status();
            EXPECT_EQ(*read, record);
        }
    }
}

TEST(StateFile, IsReadableForPeopleAndPrograms) {
    const test::TempDir dir;
    const absl::Time time = absl::FromCivil(absl::CivilSecond(2025, 3, 4, 5, 6, 7), absl::UTCTimeZone());
    ASSERT_TRUE(WriteStateFile(dir.File("state"), {NodeState::kUnprovisioned, Phase::kStarted}, time).ok());
    EXPECT_EQ(dir.Read("state"), "unprovisioned\nphase: started\nupdated: 2025-03-04T05:06:07Z\n");
    struct stat found {};
    ASSERT_EQ(::stat(dir.File("state").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, 0644U);
}

TEST(StateFile, TakesTheBareWordThatOtherSoftwareWrites) {
    EXPECT_EQ(*Parsed("provisioned"), (StateRecord{NodeState::kProvisioned, Phase::kNone}));
    EXPECT_EQ(*Parsed("paused\r\n"), (StateRecord{NodeState::kPaused, Phase::kNone}));
}

TEST(StateFile, SkipsLinesThatAreForPeople) {
    EXPECT_EQ(*Parsed("provisioned\nby: Anna: 2nd shift\n\nnonsense\nphase:none\n"),
              (StateRecord{NodeState::kProvisioned, Phase::kNone}));
}

TEST(StateFile, RefusesWhatItCannotUnderstandAndQuotesIt) {
    EXPECT_THAT(Refusal("provisionned\n"), HasSubstr("unknown state 'provisionned'"));
    EXPECT_THAT(Refusal("Provisioned\n"), HasSubstr("unknown state 'Provisioned'"));
    EXPECT_THAT(Refusal(""), HasSubstr("unknown state ''"));
    EXPECT_THAT(Refusal("\nprovisioned\n"), HasSubstr("unknown state ''"));
    EXPECT_THAT(Refusal("unprovisioned\nphase: halfway\n"), HasSubstr("unknown phase 'halfway'"));
    EXPECT_THAT(Refusal("unprovisioned\nphase: starting\nphase: none\n"), HasSubstr("phase twice"));
}

TEST(StateFile, QuotesGarbageOnOneShortLine) {
    const std::string message = Refusal(std::string("\x1b[2J\x00", 5) + std::string(1000, 'x'));
    EXPECT_THAT(message, HasSubstr("\\x1b[2J"));
    EXPECT_LT(message.size(), 200U);
}

TEST(StateFile, RefusesAFileOfMoreThan64KiB) {
    EXPECT_THAT(Refusal("provisioned\n" + std::string(64 << 10, '#')), HasSubstr("larger than 65536 bytes"));
}

TEST(StateFile, RefusesWhatIsNoRegularFile) {
    const test::TempDir dir;
    EXPECT_EQ(ReadStateFile(dir.path()).status().code(), absl::StatusCode::kFailedPrecondition);
    ASSERT_EQ(::mkfifo(dir.File("pipe").c_str(), 0600), 0);
    EXPECT_EQ(ReadStateFile(dir.File("pipe")).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace provhub::node
