#include "common/hsm/pin_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace provhub::hsm {
namespace {

using crypto::Secret;

class PinFileTest : public testing::Test {
 protected:
    void Put(const std::string& contents, mode_t mode = 0600) {
        std::ofstream(path_, std::ios::binary) << contents;
        chmod(path_.c_str(), mode);
    }

    absl::StatusCode ReadCode() { return ReadPinFile(path_).status().code(); }

    const test::TempDir directory_;
    std::string path_ = directory_.File("pin");
};

TEST_F(PinFileTest, GivesTheFirstLineWithoutItsEnd) {
    for (const char* contents : {"1234", "1234\n", "1234\r\n", "1234\nmore\n"}) {
        Put(contents);
        const auto pin = ReadPinFile(path_);
        ASSERT_TRUE(pin.ok()) << pin.status();
        EXPECT_EQ(pin->Reveal(), "1234");
    }
    Put(std::string(255, 'p') + "\n");
    EXPECT_EQ(ReadPinFile(path_)->size(), 255u);
}

TEST_F(PinFileTest, RefusesAFileThatHoldsNoUsablePin) {
    EXPECT_EQ(ReadCode(), absl::StatusCode::kNotFound);
    for (const std::string& contents : {std::string(), std::string("\n1234"), std::string(256, 'p')}) {
        Put(contents);
        EXPECT_EQ(ReadCode(), absl::StatusCode::kFailedPrecondition) << contents.size();
    }
    for (const mode_t mode : {0604u, 0602u, 0666u}) {
        Put("1234", mode);
        EXPECT_EQ(ReadCode(), absl::StatusCode::kFailedPrecondition) << mode;
    }
    Put("1234", 0640);
    EXPECT_EQ(ReadCode(), absl::StatusCode::kOk);
}

TEST_F(PinFileTest, RefusesWhatIsNoRegularFileWithoutWaitingForIt) {
    ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
    EXPECT_EQ(ReadCode(), absl::StatusCode::kFailedPrecondition);
    path_ = directory_.path();
    EXPECT_EQ(ReadCode(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PinFileTest, WritesAFileForItsOwnerAloneAndMakesTheDirectories) {
    path_ = directory_.File("a/b/pin");
    ASSERT_TRUE(WritePinFile(path_, Secret("first"), std::nullopt, std::nullopt).ok());
    ASSERT_TRUE(WritePinFile(path_, Secret("second"), getuid(), getgid()).ok());
    EXPECT_EQ(ReadPinFile(path_)->Reveal(), "second");
    struct stat info {};
    ASSERT_EQ(stat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u);
    ASSERT_EQ(stat(directory_.File("a/b").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
    const std::filesystem::directory_iterator files(directory_.File("a/b"));
    EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(PinFileTest, KeepsTheOldFileWhenItCannotWrite) {
    Put("old");
    EXPECT_FALSE(WritePinFile(path_ + "/below-a-file", Secret("new"), std::nullopt, std::nullopt).ok());
    EXPECT_EQ(ReadPinFile(path_)->Reveal(), "old");
}

}  // namespace
}  // namespace provhub::hsm
