#include "mainnode/join/join_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace provhub::join {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class JoinTokensTest : public testing::Test {
 protected:
    void SetUp() override { Open(); }

    void Open() {
        tokens_.reset();
        auto opened = JoinTokens::Open(dir_.File("tokens.db"), [this] { return now_; });
        ASSERT_TRUE(opened.ok()) << opened.status();
        tokens_ = *std::move(opened);
    }

    std::string Create(absl::Duration ttl = absl::Hours(1), const std::string& node_id = "") {
        const auto created = tokens_->Create(ttl, node_id);
        EXPECT_TRUE(created.ok()) << created.status();
        id_ = created->info.id();
        return created->token;
    }

    absl::StatusOr<std::string> Redeem(const std::string& node_id, const std::string& token,
                                       const std::string& rejoin_secret = "") {
        return tokens_->Redeem(node_id, {.token = token, .rejoin_secret = rejoin_secret});
    }

    test::TempDir dir_;
    absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
    std::unique_ptr<JoinTokens> tokens_;
    // Of the token that was created last.
    std::string id_;
};

TEST_F(JoinTokensTest, AreLongAndEachIsAnother) {
    const std::string token = Create();
    EXPECT_EQ(token.size(), 43);
    EXPECT_NE(token, Create());
}

TEST_F(JoinTokensTest, LetANodeInOnce) {
    const std::string token = Create();
    const auto secret = Redeem("n1", token);
    ASSERT_TRUE(secret.ok()) << secret.status();
    EXPECT_EQ(secret->size(), 43);
    const auto again = Redeem("n1", token);
    EXPECT_EQ(again.status().code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(again.status().message(), HasSubstr("was used by node 'n1' already"));
    EXPECT_EQ(Redeem("n2", token).status().code(), StatusCode::kPermissionDenied);
}

TEST_F(JoinTokensTest, AreSingleUseAcrossARestart) {
    const std::string token = Create();
    ASSERT_TRUE(Redeem("n1", token).ok());
    Open();
    EXPECT_EQ(Redeem("n1", token).status().code(), StatusCode::kPermissionDenied);
}

TEST_F(JoinTokensTest, ExpireInTime) {
    const std::string token = Create(absl::Minutes(5));
    now_ += absl::Minutes(5);
    const auto late = Redeem("n1", token);
    EXPECT_EQ(late.status().code(), StatusCode::kUnauthenticated);
    EXPECT_THAT(late.status().message(), HasSubstr("expired"));
}

TEST_F(JoinTokensTest, MayBeForOneNodeOnly) {
    const std::string token = Create(absl::Hours(1), "n1");
    const auto foreign = Redeem("n2", token);
    EXPECT_EQ(foreign.status().code(), StatusCode::kPermissionDenied);
    EXPECT_THAT(foreign.status().message(), HasSubstr("for node 'n1'"));
    EXPECT_TRUE(Redeem("n1", token).ok());
}

TEST_F(JoinTokensTest, RefuseWhatTheyAreNot) {
    Create();
    EXPECT_THAT(Redeem("n1", "").status().message(), HasSubstr("shows no join token"));
    EXPECT_EQ(Redeem("n1", "guess").status().code(), StatusCode::kUnauthenticated);
    EXPECT_EQ(Redeem("n1", std::string(100'000, 'x')).status().code(), StatusCode::kUnauthenticated);
    EXPECT_EQ(Redeem("n1", "' OR 1=1 --").status().code(), StatusCode::kUnauthenticated);
}

TEST_F(JoinTokensTest, TheRejoinSecretLetsTheSameNodeBackIn) {
    const std::string token = Create();
    const std::string secret = *Redeem("n1", token);
    Open();
    const auto back = Redeem("n1", token, secret);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, "");
    EXPECT_EQ(Redeem("n2", "", secret).status().code(), StatusCode::kUnauthenticated);
    now_ += JoinTokens::kRejoinTtl;
    EXPECT_EQ(Redeem("n1", "", secret).status().code(), StatusCode::kUnauthenticated);
}

TEST_F(JoinTokensTest, AFreshTokenHelpsWhereTheRejoinSecretHasEnded) {
    const std::string secret = *Redeem("n1", Create());
    now_ += absl::Hours(30);
    const auto fresh = Redeem("n1", Create(), secret);
    ASSERT_TRUE(fresh.ok()) << fresh.status();
    EXPECT_NE(*fresh, "");
}

TEST_F(JoinTokensTest, AValidRejoinSecretLeavesTheTokenUnused) {
    const std::string secret = *Redeem("n1", Create());
    const std::string spare = Create();
    ASSERT_TRUE(Redeem("n1", spare, secret).ok());
    EXPECT_TRUE(Redeem("n2", spare).ok());
}

TEST_F(JoinTokensTest, TheRejoinSecretEndsWhenTheNodeHasAnIdentity) {
    const std::string secret = *Redeem("n1", Create());
    ASSERT_TRUE(tokens_->Forget("n1").ok());
    EXPECT_EQ(Redeem("n1", "", secret).status().code(), StatusCode::kUnauthenticated);
    EXPECT_EQ(Redeem("n1", "", "").status().code(), StatusCode::kUnauthenticated);
}

TEST_F(JoinTokensTest, ARevokedTokenAndWhatItGaveAreWorthNothing) {
    const std::string unused = Create();
    ASSERT_TRUE(tokens_->Revoke(id_).ok());
    EXPECT_EQ(Redeem("n1", unused).status().code(), StatusCode::kUnauthenticated);
    const std::string secret = *Redeem("n1", Create());
    ASSERT_TRUE(tokens_->Revoke(id_).ok());
    EXPECT_EQ(Redeem("n1", "", secret).status().code(), StatusCode::kUnauthenticated);
    EXPECT_EQ(tokens_->Revoke("none").code(), StatusCode::kNotFound);
}

TEST_F(JoinTokensTest, AreListedWithoutTheTokenAndForgottenInTheEnd) {
    Create(absl::Hours(1), "n1");
    now_ += absl::Seconds(1);
    const std::string used = Create(absl::Hours(2));
    ASSERT_TRUE(Redeem("n2", used).ok());
    const auto list = tokens_->List();
    ASSERT_TRUE(list.ok());
    ASSERT_EQ(list->size(), 2);
    EXPECT_EQ(list->at(0).node_id(), "n1");
    EXPECT_EQ(list->at(0).used_by(), "");
    EXPECT_EQ(list->at(1).used_by(), "n2");
    EXPECT_EQ(list->at(1).used().seconds(), absl::ToUnixSeconds(now_));
    now_ += absl::Hours(48);
    Create();
    EXPECT_EQ(tokens_->List()->size(), 1);
}

TEST_F(JoinTokensTest, LiveForATimeThatMakesSense) {
    EXPECT_EQ(tokens_->Create(absl::ZeroDuration(), "").status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(tokens_->Create(-absl::Hours(1), "").status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(tokens_->Create(absl::Hours(24 * 365), "").status().code(), StatusCode::kInvalidArgument);
}

TEST_F(JoinTokensTest, AreStoredAsHashesOnly) {
    const std::string token = Create();
    const std::string secret = *Redeem("n1", token);
    for (const char* name : {"tokens.db", "tokens.db-wal"}) {
        const std::string content = dir_.Read(name);
        EXPECT_THAT(content, testing::Not(HasSubstr(token)));
        EXPECT_THAT(content, testing::Not(HasSubstr(secret)));
    }
}

}  // namespace
}  // namespace provhub::join
