#include "common/cert/reconcile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/cert/cert_module.h"
#include "tests/support/fake_hsm.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_ca.h"

namespace provhub::cert {
namespace {

using test::FakeHsm;
using test::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// A token with one identity in use, one key that waits, and the intermediate certificate of the identity.
class ReconcileTest : public ::testing::Test {
 protected:
    void SetUp() override {
        store_ = *CertStore::Open(dir_.File("provhub.db"));
        auto hsm = std::make_unique<FakeHsm>("core");
        hsm_ = hsm.get();
        token_.name = "core";
        token_.hsm = std::move(hsm);
        token_.types = {"iam"};
        ASSERT_THAT(hsm_->Initialise(crypto::Secret("so pin"), crypto::Secret("user pin")), IsOk());
        config_.set_id("iam");
        config_.set_algorithm("ecc");
        config_.set_max_items(4);
        module_ = std::make_unique<CertModule>(config_, token_, *store_);
        Enrol();
        active_ = store_->Certificates()->front().record.object_id;
        ASSERT_THAT(module_->CreateKey("unit-1", now_), IsOk());
        const auto entries = store_->Entries();
        ASSERT_THAT(entries, IsOk());
        for (const ManifestEntry& entry : *entries) {
            if (entry.state == KeyState::kPending) {
                pending_ = entry.id;
            } else if (entry.state == KeyState::kAuthority) {
                authority_ = entry.id;
            }
        }
    }

    void Enrol() {
        const auto csr = module_->CreateKey("unit-1", now_);
        ASSERT_THAT(csr, IsOk());
        ASSERT_THAT(module_->ApplyCert({intermediate_.IssueFor(*csr), intermediate_.certificate()},
                                       {root_.certificate()}, now_, [](const CertRecord&) {}),
                    IsOk());
    }

    ManifestEntry Pending(const std::string& id, const std::string& token) {
        ManifestEntry entry;
        entry.id = id;
        entry.token = token;
        entry.type = "iam";
        entry.created = now_;
        return entry;
    }
    absl::Status AddPending(const std::string& id, const std::string& token) { return store_->Add(Pending(id, token)); }

    std::vector<LostIdentity> Run(const std::set<std::string>& untested = {}) {
        auto lost = Reconcile(token_, *store_, untested, now_);
        EXPECT_THAT(lost, IsOk());
        return lost.value_or(std::vector<LostIdentity>{});
    }

    std::vector<hsm::ObjectId> Objects() {
        std::vector<hsm::ObjectId> ids;
        const auto objects = hsm_->List();
        EXPECT_THAT(objects, IsOk());
        for (const hsm::StoredObject& object : *objects) {
            ids.push_back(object.id);
        }
        return ids;
    }

    std::vector<hsm::ObjectId> Entries() {
        std::vector<hsm::ObjectId> ids;
        const auto entries = store_->Entries();
        EXPECT_THAT(entries, IsOk());
        for (const ManifestEntry& entry : *entries) {
            ids.push_back(entry.id);
        }
        return ids;
    }

    const test::TempDir dir_;
    const test::TestCa root_{"Root"};
    const test::TestCa intermediate_{root_, "Intermediate"};
    absl::Time now_ = absl::Now();
    std::unique_ptr<CertStore> store_;
    Token token_;
    FakeHsm* hsm_ = nullptr;
    config::v1::CertModule config_;
    std::unique_ptr<CertModule> module_;
    hsm::ObjectId active_;
    hsm::ObjectId pending_;
    hsm::ObjectId authority_;
};

TEST_F(ReconcileTest, LeavesAloneWhatIsInOrder) {
    EXPECT_THAT(Run(), IsEmpty());
    EXPECT_THAT(Objects(), UnorderedElementsAre(active_, pending_, authority_));
    EXPECT_THAT(Entries(), UnorderedElementsAre(active_, pending_, authority_));
}

TEST_F(ReconcileTest, DestroysWhatTheManifestDoesNotKnow) {
    hsm_->Add({.id = "stranger", .label = "x", .has_private_key = true, .has_public_key = true});
    hsm_->Add({.id = "", .label = "nameless", .has_public_key = true});
    hsm_->Add({.id = "odd", .label = "odd", .has_certificate = true, .unreadable = true});
    EXPECT_THAT(Run(), IsEmpty());
    EXPECT_THAT(Objects(), UnorderedElementsAre(active_, pending_, authority_));
}

TEST_F(ReconcileTest, DestroysHalfAPairThatWasMeantToBeAKey) {
    ASSERT_THAT(AddPending("half", "core"), IsOk());
    hsm_->Add({.id = "half", .label = "iam", .has_public_key = true});
    EXPECT_THAT(Run(), IsEmpty());
    EXPECT_THAT(Objects(), UnorderedElementsAre(active_, pending_, authority_));
    EXPECT_THAT(Entries(), UnorderedElementsAre(active_, pending_, authority_));
}

TEST_F(ReconcileTest, DestroysAPairWhoseRequestWasNeverMade) {
    ASSERT_THAT(AddPending("fresh", "core"), IsOk());
    ASSERT_THAT(hsm_->GenerateKeyPair("fresh", "iam", crypto::KeyAlgorithm::kEcP384), IsOk());
    EXPECT_THAT(Run(), IsEmpty());
    EXPECT_THAT(Objects(), UnorderedElementsAre(active_, pending_, authority_));
}

TEST_F(ReconcileTest, DropsAnIntentThatWasNeverCarriedOut) {
    ASSERT_THAT(AddPending("intent", "core"), IsOk());
    EXPECT_THAT(Run(), IsEmpty());
    EXPECT_THAT(Entries(), UnorderedElementsAre(active_, pending_, authority_));
}

TEST_F(ReconcileTest, LeavesTheEntriesOfOtherTokensAlone) {
    ASSERT_THAT(AddPending("elsewhere", "cloud"), IsOk());
    EXPECT_THAT(Run(), IsEmpty());
    EXPECT_THAT(Entries(), UnorderedElementsAre(active_, pending_, authority_, "elsewhere"));
}

TEST_F(ReconcileTest, RemovesAKeyThatWaitedTooLong) {
    now_ += absl::Hours(25);
    EXPECT_THAT(Run(), IsEmpty());
    EXPECT_THAT(Objects(), UnorderedElementsAre(active_, authority_));
}

TEST_F(ReconcileTest, RemovesAnAuthorityThatNoChainNeeds) {
    ManifestEntry entry = Pending("old ca", "core");
    entry.type = "";
    entry.state = KeyState::kAuthority;
    ASSERT_THAT(store_->Add(entry), IsOk());
    hsm_->Add({.id = "old ca", .label = "CA", .has_certificate = true});
    EXPECT_THAT(Run(), IsEmpty());
    EXPECT_THAT(Objects(), UnorderedElementsAre(active_, pending_, authority_));
    EXPECT_THAT(Entries(), UnorderedElementsAre(active_, pending_, authority_));
}

TEST_F(ReconcileTest, ReportsAnIdentityWhoseKeyIsGone) {
    ASSERT_THAT(hsm_->Destroy(active_), IsOk());
    const auto lost = Run();
    ASSERT_THAT(lost, SizeIs(1));
    EXPECT_EQ(lost[0].type, "iam");
    EXPECT_EQ(lost[0].id, active_);
    EXPECT_THAT(lost[0].reason, test::IsError(absl::StatusCode::kDataLoss, "type 'iam'"));
    EXPECT_THAT(Entries(), UnorderedElementsAre(active_, pending_, authority_)) << "the manifest keeps it";
}

TEST_F(ReconcileTest, ReportsButNeverDestroysAnIdentityThatCanNotSign) {
    hsm_->FailCall("Sign", 1, absl::InternalError("broken"));
    EXPECT_THAT(Run(), SizeIs(1));
    EXPECT_THAT(Objects(), UnorderedElementsAre(active_, pending_, authority_));
    EXPECT_THAT(Run(), IsEmpty());
}

TEST_F(ReconcileTest, DoesNotTestATypeThatSkipsValidation) {
    hsm_->FailCall("Sign", 1, absl::InternalError("broken"));
    EXPECT_THAT(Run({"iam"}), IsEmpty());
}

TEST_F(ReconcileTest, StopsAtAnErrorOfTheToken) {
    hsm_->FailCall("List", 1, absl::UnavailableError("device gone"));
    EXPECT_THAT(Reconcile(token_, *store_, {}, now_), test::IsError(absl::StatusCode::kUnavailable, "device gone"));
    EXPECT_THAT(Entries(), UnorderedElementsAre(active_, pending_, authority_));
}

}  // namespace
}  // namespace provhub::cert
