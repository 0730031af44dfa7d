#include "common/cert/cert_store.h"

#include <Poco/Data/SQLite/Connector.h>
#include <Poco/Data/Session.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace provhub::cert {
namespace {

using test::IsError;
using test::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

ManifestEntry Pending(const std::string& id, const std::string& token = "core") {
    return {.id = id,
            .token = token,
            .type = "iam",
            .state = KeyState::kPending,
            .created = absl::FromUnixSeconds(1'700'000'000),
            .public_key = ""};
}

ManifestEntry Authority(const std::string& id) {
    ManifestEntry entry = Pending(id);
    entry.type = "";
    entry.state = KeyState::kAuthority;
    return entry;
}

CertRecord Record(const std::string& id) {
    return {.type = "iam",
            .issuer_der = std::string("\x30\x00\xff", 3),
            .serial = "0A",
            .cert_url = "pkcs11:object=iam",
            .key_url = "pkcs11:object=iam?pin-source=/p",
            .subject = "CN=ünit's \"one\"",
            .issuer = "CN=CA",
            .not_before = absl::FromUnixSeconds(-5),
            .not_after = absl::FromUnixSeconds(253'402'300'799),
            .self_signed = true,
            .object_id = id};
}

class CertStoreTest : public ::testing::Test {
 protected:
    void SetUp() override { Open(); }
    void Open() {
        store_.reset();
        auto store = CertStore::Open(path_);
        ASSERT_THAT(store, IsOk());
        store_ = *std::move(store);
    }

    const test::TempDir dir_;
    const std::string path_ = dir_.File("provhub.db");
    std::unique_ptr<CertStore> store_;
};

TEST_F(CertStoreTest, KeepsEntriesInTheirOrderOverARestart) {
    const std::string binary("\x00\xff'", 3);
    ASSERT_THAT(store_->Add(Pending(binary)), IsOk());
    ASSERT_THAT(store_->Add(Pending("a")), IsOk());
    ASSERT_THAT(store_->SetPublicKey("core", binary, std::string("\0spki", 5)), IsOk());
    Open();
    const auto entries = store_->Entries();
    ASSERT_THAT(entries, IsOk());
    ASSERT_THAT(*entries, SizeIs(2));
    EXPECT_EQ((*entries)[0].id, binary);
    EXPECT_EQ((*entries)[0].public_key, std::string("\0spki", 5));
    EXPECT_EQ((*entries)[0].created, absl::FromUnixSeconds(1'700'000'000));
    EXPECT_EQ((*entries)[0].state, KeyState::kPending);
    EXPECT_EQ((*entries)[1].id, "a");
}

TEST_F(CertStoreTest, RefusesAnIdThatIsTakenOnTheToken) {
    ASSERT_THAT(store_->Add(Pending("a")), IsOk());
    EXPECT_THAT(store_->Add(Pending("a")), IsError(absl::StatusCode::kAlreadyExists, ""));
    EXPECT_THAT(store_->Add(Authority("a")), IsError(absl::StatusCode::kAlreadyExists, ""));
    EXPECT_THAT(store_->Add(Pending("a", "other token")), IsOk());
}

TEST_F(CertStoreTest, TakesAnAuthorityAgain) {
    ASSERT_THAT(store_->Add(Authority("a")), IsOk());
    EXPECT_THAT(store_->Add(Authority("a")), IsOk());
    EXPECT_THAT(*store_->Entries(), SizeIs(1));
}

TEST_F(CertStoreTest, ActivatesAPendingKeyWithItsCertificate) {
    ASSERT_THAT(store_->Add(Pending("a")), IsOk());
    ASSERT_THAT(store_->Activate("core", Record("a"), {}), IsOk());
    Open();
    EXPECT_EQ(store_->Entries()->front().state, KeyState::kActive);
    const auto certificates = store_->Certificates();
    ASSERT_THAT(certificates, IsOk());
    ASSERT_THAT(*certificates, SizeIs(1));
    EXPECT_EQ(certificates->front().token, "core");
    EXPECT_EQ(certificates->front().record, Record("a"));
}

TEST_F(CertStoreTest, ActivatesNothingElse) {
    EXPECT_THAT(store_->Activate("core", Record("a"), {}), IsError(absl::StatusCode::kFailedPrecondition, "pending"));
    ASSERT_THAT(store_->Add(Pending("a")), IsOk());
    ASSERT_THAT(store_->Activate("core", Record("a"), {}), IsOk());
    EXPECT_THAT(store_->Activate("core", Record("a"), {}), IsError(absl::StatusCode::kFailedPrecondition, "pending"));
    EXPECT_THAT(*store_->Certificates(), SizeIs(1));
}

TEST_F(CertStoreTest, HasCertificatesInTheOrderInWhichTheyCameIntoUse) {
    ASSERT_THAT(store_->Add(Pending("first key")), IsOk());
    ASSERT_THAT(store_->Add(Pending("second key")), IsOk());
    ASSERT_THAT(store_->Activate("core", Record("second key"), {}), IsOk());
    ASSERT_THAT(store_->Activate("core", Record("first key"), {}), IsOk());
    EXPECT_EQ(store_->Certificates()->front().record.object_id, "second key");
}

TEST_F(CertStoreTest, KnowsWhichAuthoritiesAreNotNeeded) {
    for (const char* id : {"x", "y", "z"}) {
        ASSERT_THAT(store_->Add(Authority(id)), IsOk());
    }
    for (const char* id : {"a", "b"}) {
        ASSERT_THAT(store_->Add(Pending(id)), IsOk());
    }
    ASSERT_THAT(store_->Activate("core", Record("a"), {"x", "y"}), IsOk());
    ASSERT_THAT(store_->Activate("core", Record("b"), {"y"}), IsOk());
    EXPECT_THAT(*store_->UnusedAuthorities("core"), ElementsAre("z"));
    ASSERT_THAT(store_->Remove("core", "a"), IsOk());
    EXPECT_THAT(*store_->UnusedAuthorities("core"), ElementsAre("x", "z"));
    EXPECT_THAT(*store_->UnusedAuthorities("other token"), IsEmpty());
}

TEST_F(CertStoreTest, RemovesAKeyWithItsCertificate) {
    ASSERT_THAT(store_->Add(Pending("a")), IsOk());
    ASSERT_THAT(store_->Activate("core", Record("a"), {}), IsOk());
    ASSERT_THAT(store_->Remove("core", "a"), IsOk());
    EXPECT_THAT(*store_->Entries(), IsEmpty());
    EXPECT_THAT(*store_->Certificates(), IsEmpty());
    EXPECT_THAT(store_->Remove("core", "a"), IsOk());
}

TEST_F(CertStoreTest, RemembersTheTokensThatAreOwned) {
    ASSERT_THAT(store_->AddToken("core", "1"), IsOk());
    ASSERT_THAT(store_->AddToken("core", "2"), IsOk());
    Open();
    EXPECT_THAT(*store_->Tokens(), ElementsAre(Pair("core", "2")));
}

TEST_F(CertStoreTest, ForgetsEverything) {
    ASSERT_THAT(store_->Add(Pending("a")), IsOk());
    ASSERT_THAT(store_->Activate("core", Record("a"), {"x"}), IsOk());
    ASSERT_THAT(store_->AddToken("core", "1"), IsOk());
    ASSERT_THAT(store_->Clear(), IsOk());
    EXPECT_THAT(*store_->Entries(), IsEmpty());
    EXPECT_THAT(*store_->Certificates(), IsEmpty());
    EXPECT_THAT(*store_->Tokens(), IsEmpty());
}

TEST_F(CertStoreTest, IsForItsOwnerAlone) {
    for (const char* suffix : {"", "-wal"}) {
        struct stat info;
        ASSERT_EQ(::stat((path_ + suffix).c_str(), &info), 0) << suffix;
        EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
    }
}

TEST_F(CertStoreTest, IsWrittenToTheDiskBeforeItSaysSo) {
    Poco::Data::Session session(Poco::Data::SQLite::Connector::KEY, path_);
    std::string journal;
    session << "PRAGMA journal_mode", Poco::Data::Keywords::into(journal), Poco::Data::Keywords::now;
    EXPECT_EQ(journal, "wal");
    ASSERT_THAT(store_->Add(Pending("a")), IsOk());
    int rows = 0;
    session << "SELECT count(*) FROM keys", Poco::Data::Keywords::into(rows), Poco::Data::Keywords::now;
    EXPECT_EQ(rows, 1);
}

TEST(OpenCertStore, LeavesADamagedDatabaseAlone) {
    const test::TempDir dir;
    const std::string garbage(8192, 'g');
    const std::string path = dir.Write("provhub.db", garbage);
    EXPECT_THAT(CertStore::Open(path), IsError(absl::StatusCode::kDataLoss, path));
    EXPECT_EQ(dir.Read("provhub.db"), garbage);
}

TEST(OpenCertStore, NoticesDamageInsideTheDatabase) {
    const test::TempDir dir;
    const std::string path = dir.File("provhub.db");
    {
        auto store = CertStore::Open(path);
        ASSERT_THAT(store, IsOk());
        for (int i = 0; i < 300; ++i) {
            ASSERT_THAT((*store)->Add(Pending(std::to_string(i))), IsOk());
        }
    }
    std::string content = dir.Read("provhub.db");
    ASSERT_GT(content.size(), 4 * 4096u);
    content.replace(content.size() - 2 * 4096, 4096, std::string(4096, 'g'));
    dir.Write("provhub.db", content);
    EXPECT_THAT(CertStore::Open(path), IsError(absl::StatusCode::kDataLoss, "damaged"));
}

TEST(OpenCertStore, RefusesADatabaseOfANewerProgram) {
    const test::TempDir dir;
    const std::string path = dir.File("provhub.db");
    ASSERT_THAT(CertStore::Open(path), IsOk());
    {
        Poco::Data::Session session(Poco::Data::SQLite::Connector::KEY, path);
        session << "PRAGMA user_version = 2", Poco::Data::Keywords::now;
    }
    EXPECT_THAT(CertStore::Open(path), IsError(absl::StatusCode::kFailedPrecondition, "schema version 2"));
}

TEST(OpenCertStore, SaysWhichFileCanNotBeMade) {
    const test::TempDir dir;
    EXPECT_THAT(CertStore::Open(dir.File("nosuch/provhub.db")), IsError(absl::StatusCode::kNotFound, "nosuch"));
}

}  // namespace
}  // namespace provhub::cert
