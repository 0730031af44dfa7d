// What Verify says of a log that somebody laid hands on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/audit/chain_scan.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace provhub::audit {
namespace {

using test::IsError;
using test::IsOk;
using ::testing::HasSubstr;

class VerifyTest : public ::testing::Test {
 protected:
    // Three files of four lines, the newest last.
    VerifyTest() {
        Link link;
        for (auto& lines : files_) {
            for (int i = 0; i < 4; ++i) {
                lines.push_back(FormatRecord({.event = "done", .message = "as it was"}, absl::UnixEpoch(), link));
            }
        }
        last_ = link;
    }

    void WriteFiles() {
        dir_.Write("log.2", absl::StrJoin(files_[0], ""));
        dir_.Write("log.1", absl::StrJoin(files_[1], ""));
        dir_.Write("log", absl::StrJoin(files_[2], ""));
    }

    Verification MustVerify() {
        auto result = Verify(dir_.File("log"));
        EXPECT_THAT(result, IsOk());
        return result.value_or(Verification());
    }

    void ExpectBreak(const std::string& file, std::uint64_t line, const std::string& reason) {
        WriteFiles();
        const Verification result = MustVerify();
        ASSERT_TRUE(result.broken.has_value());
        EXPECT_EQ(result.broken->file, dir_.File(file));
        EXPECT_EQ(result.broken->line, line);
        EXPECT_THAT(result.broken->reason, HasSubstr(reason));
    }

    test::TempDir dir_;
    std::vector<std::string> files_[3];
    Link last_;
};

TEST_F(VerifyTest, FollowsTheChainThroughTheFiles) {
    WriteFiles();
    dir_.Write("log.old", "something else");
    dir_.Write("log.01", "something else");
    const Verification result = MustVerify();
    EXPECT_FALSE(result.broken.has_value()) << result.broken->reason;
    EXPECT_EQ(result.files, 3u);
    EXPECT_EQ(result.records, 12u);
    EXPECT_EQ(result.first_seq, 1u);
    EXPECT_EQ(result.last.seq, 12u);
    EXPECT_EQ(result.last.hash, last_.hash);
}

TEST_F(VerifyTest, TakesALogWhoseOldestFilesAreGone) {
    files_[0].clear();
    WriteFiles();
    const Verification result = MustVerify();
    EXPECT_FALSE(result.broken.has_value());
    EXPECT_EQ(result.first_seq, 5u);
}

TEST_F(VerifyTest, TakesALogInTheMiddleOfItsRotation) {
    WriteFiles();
    ASSERT_EQ(std::rename(dir_.File("log.2").c_str(), dir_.File("log.3").c_str()), 0);
    ASSERT_EQ(std::rename(dir_.File("log").c_str(), dir_.File("log.0x").c_str()), 0);
    const Verification result = MustVerify();
    EXPECT_FALSE(result.broken.has_value());
    EXPECT_EQ(result.records, 8u);
}

TEST_F(VerifyTest, TakesALineThatIsBeingWritten) {
    files_[2].push_back(files_[2].back().substr(0, 100));
    WriteFiles();
    const Verification result = MustVerify();
    EXPECT_FALSE(result.broken.has_value());
    EXPECT_EQ(result.incomplete_bytes, 100u);
}

TEST_F(VerifyTest, SeesAChangedByte) {
    std::string& line = files_[1][2];
    line.replace(line.find("as it was"), 9, "as it isn");
    ExpectBreak("log.1", 3, "changed");
}

TEST_F(VerifyTest, SeesALineThatWasChangedWithItsHash) {
    Link link{.seq = 6, .hash = std::string(64, '0')};
    link.hash = ParseRecord(files_[1][1].substr(0, files_[1][1].size() - 1))->link.hash;
    files_[1][2] = FormatRecord({.event = "done", .message = "as it never was"}, absl::UnixEpoch(), link);
    ExpectBreak("log.1", 4, "does not follow record 7");
}

TEST_F(VerifyTest, SeesALineThatIsGone) {
    files_[0].erase(files_[0].begin() + 1);
    ExpectBreak("log.2", 2, "record 3 does not follow record 1");
}

TEST_F(VerifyTest, SeesLinesThatChangedPlaces) {
    std::swap(files_[2][1], files_[2][2]);
    ExpectBreak("log", 2, "record 11 does not follow record 9");
}

TEST_F(VerifyTest, SeesALineTwice) {
    files_[2].push_back(files_[2].back());
    ExpectBreak("log", 5, "record 12 does not follow record 12");
}

TEST_F(VerifyTest, SeesAFileInTheMiddleThatLostItsEnd) {
    files_[1].pop_back();
    ExpectBreak("log", 1, "record 9 does not follow record 7");
}

TEST_F(VerifyTest, SeesAFileInTheMiddleThatEndsWithinALine) {
    files_[1].back().resize(20);
    ExpectBreak("log", 1, "ends within a line");
}

TEST_F(VerifyTest, SeesAFileThatIsGone) {
    files_[1].clear();
    ExpectBreak("log", 1, "record 9 does not follow record 4");
}

TEST_F(VerifyTest, SeesThatTheFirstRecordsAreGoneWhereNoneBeforeThemCanBe) {
    Link link;
    link.hash[0] = '1';
    files_[0] = {FormatRecord({.event = "opened"}, absl::UnixEpoch(), link)};
    ExpectBreak("log.2", 1, "does not follow");
}

TEST_F(VerifyTest, SeesWhatIsNoRecord) {
    files_[0][1] = "{}\n";
    ExpectBreak("log.2", 2, "no record");
    files_[0][1] = std::string(std::size_t{1} << 20, 'x') + "\n";
    ExpectBreak("log.2", 2, "no record");
    files_[0][1] = "\n";
    ExpectBreak("log.2", 2, "no record");
}

TEST_F(VerifyTest, NeedsALog) {
    EXPECT_THAT(Verify(dir_.File("log")), IsError(absl::StatusCode::kNotFound, "log"));
    EXPECT_THAT(Verify(dir_.File("none/log")), IsError(absl::StatusCode::kNotFound, "none"));
}

}  // namespace
}  // namespace provhub::audit
