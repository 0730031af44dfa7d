#include "secondarynode/link/join_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace provhub::link {
namespace {

using absl::StatusCode;
using test::IsError;
using test::IsOk;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class JoinSecretsTest : public testing::Test {
 protected:
    std::string WriteToken(const std::string& content, mode_t mode = 0600) {
        const std::string path = dir_.Write("token", content);
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return path;
    }

    const test::TempDir dir_;
    const JoinSecrets secrets_{dir_.File("token"), dir_.File("secret")};
};

TEST_F(JoinSecretsTest, WithoutFilesThereIsNothingToShow) {
    const auto metadata = secrets_.Metadata();
    ASSERT_THAT(metadata, IsOk());
    EXPECT_THAT(*metadata, IsEmpty());
    const auto unset = JoinSecrets("", dir_.File("secret")).Metadata();
    ASSERT_THAT(unset, IsOk());
    EXPECT_THAT(*unset, IsEmpty());
}

TEST_F(JoinSecretsTest, ShowsTheTokenAndTheSecretThatItKept) {
    WriteToken("abc-DEF_123\n");
    ASSERT_THAT(secrets_.Keep("s3cret"), IsOk());
    const auto metadata = secrets_.Metadata();
    ASSERT_THAT(metadata, IsOk());
    EXPECT_THAT(*metadata, ElementsAre(Pair("provhub-join-token", "abc-DEF_123"), Pair(kRejoinSecretKey, "s3cret")));
}

TEST_F(JoinSecretsTest, KeepsTheSecretForThisUserAlone) {
    ASSERT_THAT(secrets_.Keep("first"), IsOk());
    ASSERT_THAT(secrets_.Keep("second"), IsOk());
    EXPECT_EQ(dir_.Read("secret"), "second\n");
    struct stat file {};
    ASSERT_EQ(::stat(dir_.File("secret").c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777U, 0600U);
}

TEST_F(JoinSecretsTest, RefusesATokenThatOthersCanRead) {
    for (const mode_t mode : {0640U, 0604U, 0620U}) {
        WriteToken("abc", mode);
        EXPECT_THAT(secrets_.Metadata(), IsError(StatusCode::kFailedPrecondition, "can be read by others")) << mode;
    }
}

TEST_F(JoinSecretsTest, RefusesAFileThatHoldsNoToken) {
    for (const char* const content : {"", "\n", "two words", "abc\ndef", "\xff\xfe"}) {
        WriteToken(content);
        EXPECT_THAT(secrets_.Metadata(), IsError(StatusCode::kFailedPrecondition, "does not hold")) << content;
    }
    WriteToken(std::string(1000, 'a'));
    EXPECT_FALSE(secrets_.Metadata().ok());
}

}  // namespace
}  // namespace provhub::link
