// What is left of a token when the process that works on it is killed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/crypto/csr.h"
#include "common/hsm/pkcs11_hsm.h"
#include "tests/support/softhsm.h"

namespace provhub::hsm {
namespace {

using crypto::KeyAlgorithm;
using crypto::Secret;
using test::SoftHsm;

constexpr char kSoPin[] = "security officer";
constexpr char kUserPin[] = "0123456789abcdef01234567";

// PROVHUB_TEST_KILLS asks for a longer run.
int Kills() {
    constexpr int kUsual = 12;
    int kills = 0;
    const char* wanted = std::getenv("PROVHUB_TEST_KILLS");
    return wanted != nullptr && absl::SimpleAtoi(wanted, &kills) ? kills : kUsual;
}

// A token_worker.
class Worker {
 public:
    Worker(const char* mode, const SoftHsm& softhsm) {
        std::array<int, 2> ends{};
        EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        const std::string state_dir = softhsm.state_dir();
        const std::array<const char*, 5> arguments = {TOKEN_WORKER, mode, "aoscore", state_dir.c_str(), nullptr};
        pid_t pid = 0;
        const int error =
            posix_spawn(&pid, TOKEN_WORKER, &actions, nullptr, const_cast<char* const*>(arguments.data()), environ);
        EXPECT_EQ(error, 0) << TOKEN_WORKER;
        if (error == 0) {
            pid_ = pid;
        }
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        output_ = fdopen(ends[0], "r");
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker() {
        if (pid_) {
            kill(*pid_, SIGKILL);
            waitpid(*pid_, nullptr, 0);
        }
        std::fclose(output_);
    }

    // False: the worker could not go on.
    bool AwaitSteps(int steps) {
        std::array<char, 512> line{};
        for (int i = 0; i < steps; ++i) {
            if (std::fgets(line.data(), line.size(), output_) == nullptr || std::string(line.data()) != "step\n") {
                ADD_FAILURE() << line.data();
                return false;
            }
        }
        return true;
    }

 private:
    // None where it could not be started: kill(-1) would end every process of the machine.
    std::optional<pid_t> pid_;
    FILE* output_ = nullptr;
};

// Another moment of the next step each time.
void Spin(absl::Duration duration) {
    const absl::Time until = absl::Now() + duration;
    while (absl::Now() < until) {
    }
}

class KillTest : public testing::Test {
 protected:
    void MakeTokenWithKey() {
        const auto hsm = softhsm_.Create("aoscore");
        ASSERT_TRUE(hsm->Initialise(Secret(kSoPin), Secret(kUserPin)).ok());
        ASSERT_TRUE(hsm->GenerateKeyPair("kept", "iam", KeyAlgorithm::kEcP384).ok());
    }

    void KillWorker(const char* mode, absl::Duration longest_delay) {
        Worker worker(mode, softhsm_);
        ASSERT_TRUE(worker.AwaitSteps(1 + static_cast<int>(random_() % 3)));
        Spin(longest_delay * std::uniform_real_distribution<double>(0, 1)(random_));
    }

    const SoftHsm softhsm_;
    std::mt19937 random_{4711};
};

TEST_F(KillTest, AKeySurvivesKillsDuringLogins) {
    MakeTokenWithKey();
    int damaged = 0;
    for (int i = 0; i < Kills(); ++i) {
        KillWorker("login", absl::Milliseconds(8));
        damaged += std::filesystem::file_size(softhsm_.TokenDirectories().front() + "/token.object") == 0 ? 1 : 0;
        const auto hsm = softhsm_.Create("aoscore");
        const absl::Status opened = hsm->Open(Secret(kUserPin));
        ASSERT_TRUE(opened.ok()) << "kill " << i << ": " << opened;
        const auto key = hsm->LoadKey("kept");
        ASSERT_TRUE(key.ok()) << "kill " << i << ": " << key.status();
        ASSERT_TRUE(crypto::CreateCsr(key->get(), {"n", {}, {}}).ok());
        ASSERT_TRUE(hsm->VerifySoPin(Secret(kSoPin)).ok());
    }
    RecordProperty("damaged", damaged);
}

TEST_F(KillTest, HalfMadeKeysCanBeToldAndDestroyedAfterKillsDuringGeneration) {
    MakeTokenWithKey();
    for (int i = 0; i < Kills(); ++i) {
        KillWorker("generate", absl::Milliseconds(60));
        const auto hsm = softhsm_.Create("aoscore");
        ASSERT_TRUE(hsm->Open(Secret(kUserPin)).ok());
        const auto list = hsm->List();
        ASSERT_TRUE(list.ok()) << list.status();
        for (const StoredObject& object : *list) {
            const bool whole = object.has_private_key && object.has_public_key && !object.unreadable;
            if (whole) {
                const auto key = hsm->LoadKey(object.id);
                ASSERT_TRUE(key.ok()) << key.status();
                ASSERT_TRUE(crypto::CreateCsr(key->get(), {"n", {}, {}}).ok());
            }
            if (object.id != "kept" && !object.id.empty()) {
                const absl::Status destroyed = hsm->Destroy(object.id);
                ASSERT_TRUE(destroyed.ok()) << destroyed;
            }
        }
        const absl::Status destroyed = hsm->DestroyUnnamed();
        ASSERT_TRUE(destroyed.ok()) << destroyed;
        const auto left = hsm->List();
        ASSERT_TRUE(left.ok()) << left.status();
        ASSERT_EQ(left->size(), 1u);
        ASSERT_EQ(left->front().id, "kept");
    }
}

TEST_F(KillTest, ATokenCanBeInitialisedAfterKillsDuringInitialisation) {
    for (int i = 0; i < Kills(); ++i) {
        KillWorker("initialise", absl::Milliseconds(60));
        const auto hsm = softhsm_.Create("aoscore");
        const absl::Status initialised = hsm->Initialise(Secret(kSoPin), Secret(kUserPin));
        ASSERT_TRUE(initialised.ok()) << "kill " << i << ": " << initialised;
        ASSERT_TRUE(hsm->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
        ASSERT_EQ(hsm->List()->size(), 1u);
    }
}

TEST(KillTestOnAFreshStore, ATokenCanBeMadeAfterAKillDuringTheFirstInitialisation) {
    std::mt19937 random(4711);
    for (int i = 0; i < Kills(); ++i) {
        const SoftHsm softhsm;
        {
            Worker worker("initialise", softhsm);
            ASSERT_TRUE(worker.AwaitSteps(1));
            Spin(absl::Milliseconds(25) * std::uniform_real_distribution<double>(0, 1)(random));
        }
        const auto hsm = softhsm.Create("aoscore");
        const absl::Status initialised = hsm->Initialise(Secret(kSoPin), Secret(kUserPin));
        ASSERT_TRUE(initialised.ok()) << "kill " << i << ": " << initialised;
        ASSERT_TRUE(hsm->GenerateKeyPair("1", "iam", KeyAlgorithm::kEcP384).ok());
        ASSERT_EQ(hsm->List()->size(), 1u);
    }
}

}  // namespace
}  // namespace provhub::hsm
