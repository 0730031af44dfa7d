#include "common/tls/known_servers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"

namespace provhub::tls {
namespace {

using ::testing::HasSubstr;

const std::string kOne(64, '1');
const std::string kTwo(64, '2');

class KnownServersTest : public ::testing::Test {
 protected:
    test::TempDir dir_;
    KnownServers servers_{dir_.File("known_servers")};
};

TEST_F(KnownServersTest, RecordsAServerAtItsFirstUseForTheOwnerOnly) {
    EXPECT_EQ(servers_.TrustOnFirstUse("main:8090", kOne), absl::StatusOr<bool>(true));
    EXPECT_EQ(servers_.TrustOnFirstUse("other:8090", kTwo), absl::StatusOr<bool>(true));
    EXPECT_EQ(dir_.Read("known_servers"), absl::StrCat("main:8090 ", kOne, "\nother:8090 ", kTwo, "\n"));
    struct stat status;
    ASSERT_EQ(stat(servers_.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(KnownServersTest, TrustsAServerThatShowsTheSameCertificateAgain) {
    ASSERT_TRUE(servers_.TrustOnFirstUse("main:8090", kOne).ok());
    const std::string before = dir_.Read("known_servers");
    EXPECT_EQ(KnownServers(servers_.path()).TrustOnFirstUse("main:8090", kOne), absl::StatusOr<bool>(false));
    EXPECT_EQ(dir_.Read("known_servers"), before);
}

TEST_F(KnownServersTest, RefusesAServerThatShowsAnotherCertificateAndKeepsTheFirst) {
    ASSERT_TRUE(servers_.TrustOnFirstUse("main:8090", kOne).ok());
    const absl::Status refused = servers_.TrustOnFirstUse("main:8090", kTwo).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(std::string(refused.message()), HasSubstr(servers_.path()));
    EXPECT_TRUE(servers_.TrustOnFirstUse("main:8090", kOne).ok());
}

TEST_F(KnownServersTest, KeepsCommentsAndALineThatLacksItsEnd) {
    dir_.Write("known_servers", absl::StrCat("# by hand\n\nmain:8090\t", kOne));
    EXPECT_TRUE(servers_.TrustOnFirstUse("main:8090", kOne).ok());
    EXPECT_TRUE(servers_.TrustOnFirstUse("other:1", kTwo).ok());
    EXPECT_EQ(dir_.Read("known_servers"), absl::StrCat("# by hand\n\nmain:8090\t", kOne, "\nother:1 ", kTwo, "\n"));
}

TEST_F(KnownServersTest, TrustsNobodyWhileTheFileCannotBeUnderstood) {
    for (const std::string& content :
         {std::string("main:8090\n"), std::string("main:8090 abc\n"), std::string("\x01\x02 a b c")}) {
        dir_.Write("known_servers", content);
        EXPECT_FALSE(servers_.TrustOnFirstUse("main:8090", kOne).ok()) << content;
        EXPECT_EQ(dir_.Read("known_servers"), content);
    }
}

}  // namespace
}  // namespace provhub::tls
