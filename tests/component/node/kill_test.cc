// What is promised when the process is killed: around every change of a token, and at points in time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/component/node/test_node.h"
#include "tests/support/softhsm.h"
#include "tests/support/status_matchers.h"

namespace provhub::test {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kKilledItself = 77;

enum class Moment { kBefore, kAfter };

// A kill around a call that only reads is no other than one around the last change.
bool ChangesTheToken(const std::string& method) {
    constexpr std::array kChanging = {"Initialise", "ChangeSoPin", "GenerateKeyPair", "StoreCertificate", "Destroy"};
    return std::ranges::count(kChanging, method) != 0;
}

class KillEnvironment {
 protected:
    using Step = std::function<void(TestNode&)>;

    // Runs `step` on the node in a process of its own, which loads SoftHSM for itself: this one must not, it forks.
    // The exit status: 1 when an expectation failed in there.
    pid_t Fork(const Step& step) {
        std::fflush(nullptr);
        const pid_t pid = ::fork();
        if (pid < 0) {
            // No test can go on, and kill(-1) would end every process of the machine.
            std::abort();
        }
        if (pid != 0) {
            return pid;
        }
        {
            TestNode node(site_);
            node.KeepTypes({"online", "disk"});
            // So that a renewal removes a certificate.
            node.config.mutable_cert_modules(0)->set_max_items(1);
            node.UseModule(SoftHsm::Library());
            step(node);
        }
        std::fflush(nullptr);
        std::_Exit(::testing::Test::HasFailure() ? 1 : 0);
    }

    static int Await(pid_t pid) {
        int status = 0;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    void InAProcess(const Step& step) { ASSERT_EQ(Await(Fork(step)), 0); }

    void Save() {
        Shell(absl::StrCat("rm -rf ", backup_.path(), "/*; cp -a ", site_->dir.path(), "/. ", backup_.File("site"),
                           "; cp -a ", softhsm_.tokens(), "/. ", backup_.File("tokens")));
    }
    void Restore() {
        Shell(absl::StrCat("rm -rf ", site_->dir.path(), "/* ", softhsm_.tokens(), "/*; cp -a ", backup_.File("site"),
                           "/. ", site_->dir.path(), "; cp -a ", backup_.File("tokens"), "/. ", softhsm_.tokens()));
    }
    static void Shell(const std::string& command) {
        const auto result = RunCommand(command);
        ASSERT_EQ(result.exit_status, 0) << result.output;
    }

    // Prepares once. Then, for every n that there is: runs `operation`, which ends at the nth change of a token, and
    // checks in another process.
    void KillAtEveryChange(Moment moment, const Step& prepare, const Step& operation, const Step& check) {
        InAProcess(prepare);
        Save();
        for (int nth = 1;; ++nth) {
            Restore();
            const int status = Await(Fork([&](TestNode& node) {
                std::atomic<int> countdown = nth;
                (moment == Moment::kBefore ? node.before : node.after) = [&](const std::string& method) {
                    if (ChangesTheToken(method) && --countdown == 0) {
                        std::_Exit(kKilledItself);
                    }
                    return absl::OkStatus();
                };
                operation(node);
                node.Stop();
            }));
            ASSERT_THAT(status, testing::AnyOf(0, kKilledItself));
            SCOPED_TRACE(absl::StrCat("killed at change ", nth));
            InAProcess(check);
            if (status == 0 || ::testing::Test::HasFailure()) {
                EXPECT_GT(nth, 2);
                return;
            }
        }
    }

    // The same with kills at points in time, `step` apart.
    void KillAtManyTimes(int times, absl::Duration step, const Step& prepare, const Step& operation,
                         const Step& check) {
        InAProcess(prepare);
        Save();
        for (int i = 0; i < times; ++i) {
            Restore();
            const pid_t pid = Fork(operation);
            absl::SleepFor(step * i);
            ASSERT_GT(pid, 0);
            ::kill(pid, SIGKILL);
            ASSERT_THAT(Await(pid), testing::AnyOf(0, -SIGKILL));
            SCOPED_TRACE(absl::StrCat("killed after ", absl::FormatDuration(step * i)));
            InAProcess(check);
            if (::testing::Test::HasFailure()) {
                return;
            }
        }
    }

    const SoftHsm softhsm_;
    const TempDir backup_;
    const std::shared_ptr<const TestSite> site_ = std::make_shared<TestSite>();
};

class KillTest : public KillEnvironment, public ::testing::TestWithParam<Moment> {};
class KillAtATimeTest : public KillEnvironment, public ::testing::Test {};

void Provisioned(TestNode& node) {
    ASSERT_THAT(node.Boot(), IsOk());
    ASSERT_THAT(node.Provision(), IsOk());
    node.Stop();
}

// An identity with its intermediate certificate, and the self-signed one.
void ExpectNoStrayObjects(TestNode& node) {
    EXPECT_EQ(node.Certificates().size(), 2u);
    EXPECT_EQ(node.Objects("cloud").size(), 2u);
    EXPECT_EQ(node.Objects("core").size(), 1u);
}

void ExpectStartsOver(TestNode& node) {
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_EQ(node.node().state(), node::NodeState::kUnprovisioned);
    if (node.node().phase() != node::Phase::kStarted) {
        ASSERT_THAT(node.Start(), IsOk());
    }
    EXPECT_FALSE(node.node().Info().has_error()) << node.node().Info().error().message();
    ASSERT_THAT(node.Enrol("online"), IsOk());
    ASSERT_THAT(node.Finish(), IsOk());
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_FALSE(node.node().Info().has_error()) << node.node().Info().error().message();
    ExpectNoStrayObjects(node);
}

// The boot tests every identity with a signature.
void ExpectIntact(TestNode& node) {
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_EQ(node.node().state(), node::NodeState::kProvisioned);
    EXPECT_FALSE(node.node().Info().has_error()) << node.node().Info().error().message();
    EXPECT_EQ(node.Certificates().size(), 2u);
    ASSERT_THAT(node.Enrol("online"), IsOk());
    // A key that was whole may still get its certificate, for a day.
    node.scheduler().SetNow(absl::Now() + absl::Hours(25));
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_FALSE(node.node().Info().has_error()) << node.node().Info().error().message();
    ExpectNoStrayObjects(node);
}

void ExpectIntactOrGone(TestNode& node) {
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_FALSE(node.node().Info().has_error()) << node.node().Info().error().message();
    EXPECT_EQ(node.node().phase(), node::Phase::kNone);
    if (node.node().state() == node::NodeState::kProvisioned) {
        EXPECT_EQ(node.Certificates().size(), 2u);
        EXPECT_THAT(node.Enrol("online"), IsOk());
        EXPECT_THAT(node.Deprovision("wrong horse"), Not(IsOk()));
        ASSERT_THAT(node.Deprovision(), IsOk());
    }
    EXPECT_EQ(node.node().state(), node::NodeState::kUnprovisioned);
    EXPECT_THAT(node.Certificates(), IsEmpty());
    EXPECT_THAT(node.Start("another one"), IsOk());
}

void Renews(TestNode& node) {
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.Enrol("online"), IsOk());
}

void StartsProvisioning(TestNode& node) {
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.Start(), IsOk());
}

void Deprovisions(TestNode& node) {
    ASSERT_THAT(node.Boot(), IsOk());
    EXPECT_THAT(node.Deprovision(), IsOk());
}

TEST_P(KillTest, InStartIsMadeGoodByStartingAgain) {
    KillAtEveryChange(
        GetParam(), [](TestNode&) {}, StartsProvisioning, ExpectStartsOver);
}

TEST_P(KillTest, InARenewalLosesNothing) {
    KillAtEveryChange(GetParam(), Provisioned, Renews, ExpectIntact);
}

TEST_P(KillTest, InDeprovisionLosesEverythingOrNothing) {
    KillAtEveryChange(GetParam(), Provisioned, Deprovisions, ExpectIntactOrGone);
}

TEST_P(KillTest, WhileABootFinishesADeprovisioningIsMadeGoodByTheNext) {
    InAProcess(Provisioned);
    // Killed by its own platform program, when the intent is on record.
    ASSERT_EQ(Await(Fork([](TestNode& node) {
                  for (const char* argument : {"/bin/sh", "-c", "kill -9 $PPID"}) {
                      node.config.add_deprovision_cmd_args(argument);
                  }
                  Deprovisions(node);
              })),
              -SIGKILL);
    KillAtEveryChange(
        GetParam(), [](TestNode&) {}, [](TestNode& node) { EXPECT_THAT(node.Boot(), IsOk()); },
        [](TestNode& node) {
            ASSERT_THAT(node.Boot(), IsOk());
            EXPECT_EQ(node.node().state(), node::NodeState::kUnprovisioned);
            EXPECT_EQ(node.node().phase(), node::Phase::kNone);
            EXPECT_THAT(node.Certificates(), IsEmpty());
            EXPECT_THAT(node.Start("another one"), IsOk());
        });
}

INSTANTIATE_TEST_SUITE_P(AtEveryChange, KillTest, ::testing::Values(Moment::kBefore, Moment::kAfter),
                         [](const auto& info) { return info.param == Moment::kBefore ? "BeforeItsWork" : "AfterIt"; });

TEST_F(KillAtATimeTest, InStartIsMadeGoodByStartingAgain) {
    KillAtManyTimes(
        5, absl::Milliseconds(60), [](TestNode&) {}, StartsProvisioning, ExpectStartsOver);
}

TEST_F(KillAtATimeTest, InARenewalLosesNothing) {
    KillAtManyTimes(5, absl::Milliseconds(60), Provisioned, Renews, ExpectIntact);
}

TEST_F(KillAtATimeTest, InDeprovisionLosesEverythingOrNothing) {
    KillAtManyTimes(5, absl::Milliseconds(60), Provisioned, Deprovisions, ExpectIntactOrGone);
}

}  // namespace
}  // namespace provhub::test
