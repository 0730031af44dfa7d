// SoftHSM tokens whose file a kill, or a hand, has damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"
#include "common/hsm/pkcs11_hsm.h"
#include "tests/support/softhsm.h"

namespace provhub::hsm {
namespace {

namespace fs = std::filesystem;

using crypto::KeyAlgorithm;
using crypto::Secret;
using test::SoftHsm;
using testing::HasSubstr;

constexpr char kSoPin[] = "security officer";
constexpr char kUserPin[] = "0123456789abcdef01234567";

class DamagedTokenTest : public testing::Test {
 protected:
    DamagedTokenTest() {
        hsm_ = softhsm_.Create("aoscore");
        EXPECT_TRUE(hsm_->Initialise(Secret(kSoPin), Secret(kUserPin)).ok());
        EXPECT_TRUE(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
    }

    std::string TokenFile() const { return softhsm_.TokenDirectories().front() + "/token.object"; }

    void Truncate(std::uintmax_t size) { fs::resize_file(TokenFile(), size); }

    void ExpectTheKeySigns(const char* user_pin = kUserPin) {
        hsm_ = softhsm_.Create("aoscore");
        const absl::Status opened = hsm_->Open(Secret(user_pin));
        ASSERT_TRUE(opened.ok()) << opened;
        const auto key = hsm_->LoadKey("1");
        ASSERT_TRUE(key.ok()) << key.status();
        EXPECT_TRUE(crypto::CreateCsr(key->get(), {"n", {}, {}}).ok());
    }

    const SoftHsm softhsm_;
    std::unique_ptr<Hsm> hsm_;
};

TEST_F(DamagedTokenTest, IsRestoredWhereverItsFileWasCutOff) {
    hsm_.reset();
    const std::uintmax_t whole = fs::file_size(TokenFile());
    for (const std::uintmax_t size :
         {std::uintmax_t{0}, std::uintmax_t{1}, std::uintmax_t{128}, std::uintmax_t{224}, whole / 2, whole - 1}) {
        Truncate(size);
        ASSERT_NO_FATAL_FAILURE(ExpectTheKeySigns()) << size;
        hsm_.reset();
        EXPECT_EQ(fs::file_size(TokenFile()), whole);
        EXPECT_EQ(fs::status(TokenFile()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    }
    fs::remove(TokenFile());
    ExpectTheKeySigns();
}

TEST_F(DamagedTokenTest, IsRestoredAsItWasAfterTheLastChangeOfItsPins) {
    ASSERT_TRUE(hsm_->ChangeSoPin(Secret(kSoPin), Secret("the next officer")).ok());
    hsm_.reset();
    Truncate(0);
    ExpectTheKeySigns();
    EXPECT_TRUE(hsm_->VerifySoPin(Secret("the next officer")).ok());

    ASSERT_TRUE(hsm_->Initialise(Secret("the next officer"), Secret("the next user")).ok());
    ASSERT_TRUE(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
    hsm_.reset();
    Truncate(0);
    ExpectTheKeySigns("the next user");
}

TEST_F(DamagedTokenTest, IsRestoredWithItsNeighbourWhicheverIsOpenedFirst) {
    auto neighbour = softhsm_.Create("aoscloud");
    ASSERT_TRUE(neighbour->Initialise(Secret(kSoPin), Secret(kUserPin)).ok());
    ASSERT_TRUE(neighbour->GenerateKeyPair("2", "online", KeyAlgorithm::kEcP384).ok());
    hsm_.reset();
    neighbour.reset();
    for (const std::string& directory : softhsm_.TokenDirectories()) {
        fs::resize_file(directory + "/token.object", 0);
    }
    neighbour = softhsm_.Create("aoscloud");
    ASSERT_TRUE(neighbour->Open(Secret(kUserPin)).ok());
    EXPECT_EQ(neighbour->List()->size(), 1u);
    ExpectTheKeySigns();
}

TEST_F(DamagedTokenTest, IsNotTakenForAFreshOneWhileItsKeysCanBeSaved) {
    hsm_.reset();
    Truncate(0);
    // Somebody else's use of the library keeps it from being started again.
    const test::TempDir other_state;
    auto other = CreatePkcs11Hsm(SoftHsm::Selector("other"), other_state.path());
    ASSERT_TRUE(other.ok()) << other.status();
    const auto hsm = CreatePkcs11Hsm(SoftHsm::Selector("aoscore"), softhsm_.state_dir());
    EXPECT_EQ(hsm.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(hsm.status().message()), HasSubstr("start again"));
    other->reset();
    ExpectTheKeySigns();
}

TEST_F(DamagedTokenTest, WithoutAUsableCopyDoesNotKeepANewOneFromBeingMade) {
    hsm_.reset();
    Truncate(0);
    for (const auto& copy : fs::directory_iterator(softhsm_.state_dir() + "/softhsm")) {
        std::ofstream(copy.path()) << "garbage";
    }
    hsm_ = softhsm_.Create("aoscore");
    EXPECT_FALSE(hsm_->State()->initialised);
    ASSERT_TRUE(hsm_->Initialise(Secret("a new officer"), Secret(kUserPin)).ok());
    EXPECT_TRUE(hsm_->List()->empty());
    hsm_.reset();
    hsm_ = softhsm_.Create("aoscore");
    EXPECT_TRUE(hsm_->Open(Secret(kUserPin)).ok());
}

TEST_F(DamagedTokenTest, MadeByHalfIsAsGoodAsNoneAndRemoved) {
    ASSERT_TRUE(hsm_->Destroy("1").ok());
    hsm_.reset();
    // Label, serial and flags are there, the SO PIN isn't: what a kill in the first initialisation can leave.
    constexpr std::uintmax_t kSizeBeforeSoPin = 128;
    const std::string half = softhsm_.TokenDirectories().front();
    Truncate(kSizeBeforeSoPin);
    std::fstream file(TokenFile(), std::ios::binary | std::ios::in | std::ios::out);
    constexpr std::streamoff kFlags = 126;
    file.seekp(kFlags);
    // CKF_RNG, CKF_LOGIN_REQUIRED, CKF_RESTORE_KEY_NOT_NEEDED, CKF_TOKEN_INITIALIZED.
    file.write("\x04\x25", 2);
    file.close();
    hsm_ = softhsm_.Create("aoscore");
    const auto state = hsm_->State();
    ASSERT_TRUE(state.ok()) << state.status();
    EXPECT_FALSE(state->initialised);
    ASSERT_TRUE(hsm_->Initialise(Secret("a new officer"), Secret(kUserPin)).ok());
    EXPECT_FALSE(fs::exists(half));
    ASSERT_TRUE(hsm_->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
    EXPECT_TRUE(hsm_->VerifySoPin(Secret("a new officer")).ok());
    ExpectTheKeySigns();
    EXPECT_EQ(softhsm_.TokenDirectories().size(), 1u);
}

TEST_F(DamagedTokenTest, IsLeftAloneWhenSomebodyElseMadeItAnew) {
    hsm_.reset();
    const std::string reset = absl::StrCat("softhsm2-util --init-token --token aoscore --label aoscore --so-pin '",
                                           kSoPin, "' --pin another-pin");
    const auto result = test::RunCommand(reset);
    ASSERT_EQ(result.exit_status, 0) << result.output;
    hsm_ = softhsm_.Create("aoscore");
    ASSERT_TRUE(hsm_->Open(Secret("another-pin")).ok());
    EXPECT_TRUE(hsm_->List()->empty());
}

TEST_F(DamagedTokenTest, AnObjectThatCannotBeReadIsListedOrGoneAndCanBeDestroyed) {
    ASSERT_TRUE(hsm_->GenerateKeyPair("2", "iam", KeyAlgorithm::kEcP384).ok());
    hsm_.reset();
    // One of the four files: an object of one of the two pairs.
    for (const auto& entry : fs::directory_iterator(softhsm_.TokenDirectories().front())) {
        if (entry.path().extension() == ".object" && entry.path().filename() != "token.object") {
            fs::resize_file(entry.path(), entry.file_size() / 2);
            break;
        }
    }
    hsm_ = softhsm_.Create("aoscore");
    ASSERT_TRUE(hsm_->Open(Secret(kUserPin)).ok());
    const auto list = hsm_->List();
    ASSERT_TRUE(list.ok()) << list.status();
    int whole = 0;
    for (const StoredObject& object : *list) {
        if (object.has_private_key && object.has_public_key && !object.unreadable) {
            ++whole;
            EXPECT_TRUE(hsm_->LoadKey(object.id).ok());
        } else if (!object.id.empty()) {
            EXPECT_TRUE(hsm_->Destroy(object.id).ok());
        }
    }
    EXPECT_EQ(whole, 1);
    EXPECT_TRUE(hsm_->DestroyUnnamed().ok());
    EXPECT_EQ(hsm_->List()->size(), 1u);
    EXPECT_TRUE(hsm_->GenerateKeyPair("3", "iam", KeyAlgorithm::kEcP384).ok());
}

}  // namespace
}  // namespace provhub::hsm
