// What is promised when one call of a token fails: every call of every sequence, once before and once after its work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/component/node/test_node.h"
#include "tests/support/status_matchers.h"

namespace provhub::test {
namespace {

using ::testing::IsEmpty;

enum class Moment { kBefore, kAfter };

// Makes one call of a node's tokens fail, counted from Arm.
class Fault {
 public:
    Fault(TestNode& node, Moment moment) {
        auto& observer = moment == Moment::kBefore ? node.before : node.after;
        observer = [this](const std::string& method) { return Observe(method); };
    }

    void Arm(int nth) {
        method_.clear();
        countdown_ = nth;
    }
    void Disarm() { countdown_ = 0; }
    // Whether the call came that was to fail, and which one it was.
    bool Struck() const { return !method_.empty(); }
    const std::string& method() const { return method_; }

 private:
    absl::Status Observe(const std::string& method) {
        if (countdown_.load() <= 0 || --countdown_ != 0) {
            return absl::OkStatus();
        }
        method_ = method;
        return absl::UnavailableError("the device hiccuped");
    }

    std::atomic<int> countdown_ = 0;
    std::string method_;
};

class FaultTest : public ::testing::TestWithParam<Moment> {
 protected:
    // Prepares a node, runs `operation` with its nth call failing, and checks, for every n that there is.
    static void Sweep(const std::function<void(TestNode&)>& prepare,
                      const std::function<absl::Status(TestNode&)>& operation,
                      const std::function<void(TestNode&, const absl::Status&)>& check) {
        for (int nth = 1;; ++nth) {
            TestNode node;
            node.KeepTypes({"online", "disk"});
            Fault fault(node, GetParam());
            ASSERT_THAT(node.Boot(), IsOk());
            prepare(node);
            fault.Arm(nth);
            const absl::Status status = operation(node);
            fault.Disarm();
            if (!fault.Struck()) {
                EXPECT_THAT(status, IsOk());
                EXPECT_GT(nth, 2);
                return;
            }
            SCOPED_TRACE(absl::StrCat("call ", nth, ", ", fault.method(), ": ", status.ToString()));
            check(node, status);
            if (::testing::Test::HasFailure()) {
                return;
            }
        }
    }
};

TEST_P(FaultTest, OfStartLeavesTheNodeToAnybody) {
    Sweep([](TestNode&) {}, [](TestNode& node) { return node.Start(); },
          [](TestNode& node, const absl::Status& status) {
              EXPECT_EQ(node.node().state(), node::NodeState::kUnprovisioned);
              if (status.ok()) {
                  EXPECT_EQ(node.node().phase(), node::Phase::kStarted);
                  EXPECT_THAT(node.Enrol("online"), IsOk());
                  return;
              }
              EXPECT_EQ(node.node().phase(), node::Phase::kNone);
              EXPECT_THAT(node.Certificates(), IsEmpty());
              EXPECT_EQ(node.dir().Read("work/verifier"), "");
              EXPECT_THAT(node.Start("another one"), IsOk());
              EXPECT_THAT(node.CreateKey("online", "another one"), IsOk());
          });
}

TEST_P(FaultTest, OfCreateKeyLeavesNothing) {
    std::size_t objects = 0;
    Sweep(
        [&](TestNode& node) {
            ASSERT_THAT(node.Start(), IsOk());
            objects = node.Objects("cloud").size();
        },
        [](TestNode& node) { return node.CreateKey("online").status(); },
        [&](TestNode& node, const absl::Status& status) {
            EXPECT_EQ(node.Objects("cloud").size(), objects + (status.ok() ? 1 : 0));
            EXPECT_THAT(node.Enrol("online"), IsOk());
        });
}

TEST_P(FaultTest, OfApplyCertKeepsTheOldIdentityUntilTheNewOneIsInUse) {
    std::string chain;
    std::string old_serial;
    Sweep(
        [&](TestNode& node) {
            node.config.mutable_cert_modules(0)->set_max_items(1);
            ASSERT_THAT(node.Boot(), IsOk());
            ASSERT_THAT(node.Start(), IsOk());
            ASSERT_THAT(node.Enrol("online"), IsOk());
            old_serial = node.core().certificates().Get("online", "", "")->serial;
            // Of another intermediate, so that there is one to store and one to remove.
            const TestCa other(node.root(), "Other");
            const auto csr = node.CreateKey("online");
            ASSERT_THAT(csr, IsOk());
            chain = absl::StrCat(other.IssueFor(*csr).Pem(), other.certificate().Pem());
        },
        [&](TestNode& node) { return node.ApplyCert("online", chain).status(); },
        [&](TestNode& node, const absl::Status& status) {
            const auto current = node.core().certificates().Get("online", "", "");
            ASSERT_THAT(current, IsOk());
            EXPECT_EQ(current->serial == old_serial, !status.ok());
            node.ExpectEveryIdentityWorks();
            // The old identity with its intermediate certificate, and the new key.
            if (!status.ok()) {
                EXPECT_EQ(node.Objects("cloud").size(), 3u);
                EXPECT_THAT(node.ApplyCert("online", chain), IsOk());
            }
            // A start removes what could not be removed.
            ASSERT_THAT(node.Boot(), IsOk());
            EXPECT_FALSE(node.node().Info().has_error()) << node.node().Info().error().message();
            EXPECT_EQ(node.Certificates().size(), 2u);
            EXPECT_EQ(node.Objects("cloud").size(), 2u);
            node.ExpectEveryIdentityWorks();
        });
}

TEST_P(FaultTest, OfDeprovisionChangesNothingOrIsMadeGoodByCallingAgain) {
    Sweep([](TestNode& node) { ASSERT_THAT(node.Provision(), IsOk()); },
          [](TestNode& node) { return node.Deprovision(); },
          [](TestNode& node, const absl::Status& status) {
              if (!status.ok() && node.node().phase() == node::Phase::kNone) {
                  EXPECT_EQ(node.node().state(), node::NodeState::kProvisioned);
                  EXPECT_EQ(node.Certificates().size(), 2u);
                  node.ExpectEveryIdentityWorks();
                  EXPECT_THAT(node.Enrol("online"), IsOk());
              }
              if (!status.ok()) {
                  EXPECT_THAT(node.Deprovision("wrong horse"), testing::Not(IsOk()));
                  EXPECT_THAT(node.Deprovision(), IsOk());
              }
              EXPECT_EQ(node.node().state(), node::NodeState::kUnprovisioned);
              EXPECT_EQ(node.node().phase(), node::Phase::kNone);
              EXPECT_THAT(node.Certificates(), IsEmpty());
              EXPECT_THAT(node.Start("another one"), IsOk());
          });
}

TEST_P(FaultTest, OfDeprovisionIsMadeGoodByARestart) {
    Sweep([](TestNode& node) { ASSERT_THAT(node.Provision(), IsOk()); },
          [](TestNode& node) { return node.Deprovision(); },
          [](TestNode& node, const absl::Status& status) {
              const bool nothing_changed = !status.ok() && node.node().phase() == node::Phase::kNone;
              ASSERT_THAT(node.Boot(), IsOk());
              EXPECT_FALSE(node.node().Info().has_error()) << node.node().Info().error().message();
              if (nothing_changed) {
                  EXPECT_EQ(node.node().state(), node::NodeState::kProvisioned);
                  EXPECT_EQ(node.Certificates().size(), 2u);
                  node.ExpectEveryIdentityWorks();
                  return;
              }
              EXPECT_EQ(node.node().state(), node::NodeState::kUnprovisioned);
              EXPECT_EQ(node.node().phase(), node::Phase::kNone);
              EXPECT_THAT(node.Start("another one"), IsOk());
          });
}

TEST_P(FaultTest, OfABootIsSaidAndLosesNothing) {
    Sweep([](TestNode& node) { ASSERT_THAT(node.Provision(), IsOk()); },
          [](TestNode& node) {
              EXPECT_THAT(node.Boot(), IsOk());
              return node.node().Info().has_error() ? absl::InternalError(node.node().Info().error().message())
                                                    : absl::OkStatus();
          },
          [](TestNode& node, const absl::Status& status) {
              EXPECT_FALSE(status.ok());
              EXPECT_EQ(node.node().state(), node::NodeState::kProvisioned);
              ASSERT_THAT(node.Boot(), IsOk());
              EXPECT_FALSE(node.node().Info().has_error()) << node.node().Info().error().message();
              EXPECT_EQ(node.Certificates().size(), 2u);
              node.ExpectEveryIdentityWorks();
              EXPECT_THAT(node.Deprovision(), IsOk());
          });
}

INSTANTIATE_TEST_SUITE_P(Every, FaultTest, ::testing::Values(Moment::kBefore, Moment::kAfter),
                         [](const auto& info) { return info.param == Moment::kBefore ? "BeforeItsWork" : "AfterIt"; });

}  // namespace
}  // namespace provhub::test
