#include "common/node/file_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace provhub::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FileIdentityTest : public ::testing::Test {
 protected:
    FileIdentityTest() {
        auto& files = *config_.mutable_identifier()->mutable_params();
        files.set_system_id_path(dir_.Write("id", "unit-7\n"));
        files.set_unit_model_path(dir_.Write("model", "sedan;2.1;x\n"));
        files.set_subjects_path(dir_.Write("subjects", "alpha\n\n  beta \r\n"));
    }

    const test::TempDir dir_;
    config::v1::Config config_;
};

TEST_F(FileIdentityTest, ReadsTheFiles) {
    const FileIdentity identity(config_);
    const auto system = identity.System();
    ASSERT_TRUE(system.ok()) << system.status();
    EXPECT_EQ(system->system_id, "unit-7");
    EXPECT_EQ(system->unit_model, "sedan");
    EXPECT_EQ(system->version, "2.1;x");
    EXPECT_THAT(*identity.Subjects(), ElementsAre("alpha", "beta"));
}

TEST_F(FileIdentityTest, TakesAModelWithoutAVersion) {
    dir_.Write("model", "sedan");
    EXPECT_EQ(FileIdentity(config_).System()->unit_model, "sedan");
    EXPECT_EQ(FileIdentity(config_).System()->version, "");
}

TEST_F(FileIdentityTest, FindsASystemIdThatIsWrittenLater) {
    std::filesystem::remove(dir_.File("id"));
    const FileIdentity identity(config_);
    const auto missing = identity.System();
    EXPECT_EQ(missing.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(missing.status().message()), HasSubstr(dir_.File("id")));
    dir_.Write("id", "unit-8");
    EXPECT_EQ(identity.System()->system_id, "unit-8");
}

TEST_F(FileIdentityTest, RefusesAnEmptyOrUnprintableId) {
    for (const char* bad : {"", "\n", "  \nunit", "caf\xc3\xa9", "a\x01"}) {
        dir_.Write("id", bad);
        EXPECT_EQ(FileIdentity(config_).System().status().code(), absl::StatusCode::kFailedPrecondition) << bad;
    }
}

TEST_F(FileIdentityTest, SaysThatNothingIsConfigured) {
    FileIdentity identity{config::v1::Config()};
    EXPECT_EQ(identity.System().status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(identity.Subjects().status().code(), absl::StatusCode::kFailedPrecondition);
    identity.Refresh();
}

TEST_F(FileIdentityTest, NeedsTheSystemIdAlone) {
    auto& files = *config_.mutable_identifier()->mutable_params();
    files.clear_unit_model_path();
    files.clear_subjects_path();
    const FileIdentity identity(config_);
    EXPECT_EQ(identity.System()->system_id, "unit-7");
    EXPECT_EQ(identity.System()->unit_model, "");
    EXPECT_THAT(*identity.Subjects(), IsEmpty());
}

TEST_F(FileIdentityTest, TakesAMissingSubjectsFileAsNoneAndRefusesABrokenOne) {
    std::filesystem::remove(dir_.File("subjects"));
    EXPECT_THAT(*FileIdentity(config_).Subjects(), IsEmpty());
    dir_.Write("subjects", "ok\n\x80\n");
    EXPECT_EQ(FileIdentity(config_).Subjects().status().code(), absl::StatusCode::kFailedPrecondition);
    config_.mutable_identifier()->mutable_params()->set_subjects_path(dir_.path());
    EXPECT_EQ(FileIdentity(config_).Subjects().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(FileIdentityTest, TellsOfNewSubjectsOnRefreshAndOnlyOfNewOnes) {
    FileIdentity identity(config_);
    std::vector<std::vector<std::string>> told;
    const auto subscription =
        identity.SubscribeSubjects([&](const std::vector<std::string>& subjects) { told.push_back(subjects); });
    identity.Refresh();
    EXPECT_THAT(told, IsEmpty());
    dir_.Write("subjects", "gamma\n");
    identity.Refresh();
    identity.Refresh();
    EXPECT_THAT(told, ElementsAre(ElementsAre("gamma")));
    dir_.Write("subjects", "\x80");
    identity.Refresh();
    EXPECT_EQ(told.size(), 1U);
}

}  // namespace
}  // namespace provhub::node
