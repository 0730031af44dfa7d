// RunDaemon, in a process of its own (daemon_probe.cc).
#include "common/runtime/daemon.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/runtime/file_descriptor.h"
#include "common/runtime/version.h"
#include "tests/support/temp_dir.h"

namespace provhub::runtime {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int kLimitMs = 20'000;

// A running daemon_probe. Killed at the end when it still runs.
class Probe {
 public:
    Probe(const test::TempDir& dir, std::vector<std::string> arguments, const std::vector<std::string>& environment)
        : dir_(dir) {
        std::array<int, 2> out{};
        std::array<int, 2> in{};
        if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(in.data(), O_CLOEXEC) != 0) {
            std::abort();
        }
        arguments.insert(arguments.begin(), DAEMON_PROBE);
        std::vector<char*> argv;
        for (auto& argument : arguments) {
            argv.push_back(argument.data());
        }
        argv.push_back(nullptr);
        const std::string errors = dir.File("stderr");
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(in[0], STDIN_FILENO);
            ::dup2(out[1], STDOUT_FILENO);
            ::dup2(::open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
            for (const auto& variable : environment) {
                const auto equals = variable.find('=');
                ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
            }
            ::execv(DAEMON_PROBE, argv.data());
            ::_exit(127);
        }
        ::close(in[0]);
        ::close(out[1]);
        stdin_ = FileDescriptor(in[1]);
        stdout_ = FileDescriptor(out[0]);
    }

    ~Probe() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    // The next line of its standard output; what there is of one when it ends or the time is up.
    std::string Line() {
        std::string line;
        pollfd readable{stdout_.get(), POLLIN, 0};
        char c = 0;
        while (::poll(&readable, 1, kLimitMs) == 1 && ::read(stdout_.get(), &c, 1) == 1 && c != '\n') {
            line += c;
        }
        return line;
    }

    std::string RestOfOutput() {
        std::string all;
        for (std::string line = Line(); !line.empty(); line = Line()) {
            absl::StrAppend(&all, line, "\n");
        }
        return all;
    }

    void Signal(int signal) const { ::kill(pid_, signal); }
    void EndInput() { stdin_.Close(); }

    // The exit status; 1000 plus the signal that killed it.
    int Wait() {
        RestOfOutput();
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }

    std::string Errors() const { return dir_.Read("stderr"); }

 private:
    const test::TempDir& dir_;
    pid_t pid_ = -1;
    FileDescriptor stdin_;
    FileDescriptor stdout_;
};

class DaemonTest : public ::testing::Test {
 protected:
    DaemonTest() { config_ = dir_.Write("probe.json", R"({"nodeInfo": {"nodeName": "central"}})"); }

    Probe Start(std::vector<std::string> arguments = {}, const std::vector<std::string>& environment = {}) {
        arguments.insert(arguments.begin(), {"-c", config_});
        return Probe(dir_, std::move(arguments), environment);
    }

    const test::TempDir dir_;
    std::string config_;
};

TEST_F(DaemonTest, RunsUntilItIsToldToStopAndTearsDownInOrder) {
    for (const int signal : {SIGTERM, SIGINT}) {
        Probe probe = Start();
        EXPECT_THAT(probe.Line(), StartsWith("created central normal"));
        probe.Signal(signal);
        EXPECT_EQ(probe.Line(), "drain 5s");
        EXPECT_EQ(probe.Line(), "destroyed");
        EXPECT_EQ(probe.Wait(), 0);
    }
}

TEST_F(DaemonTest, PassesTheModeOn) {
    Probe probe = Start({"--provisioning"});
    EXPECT_THAT(probe.Line(), StartsWith("created central provisioning"));
}

TEST_F(DaemonTest, GuardsSecretsAndSurvivesABrokenPipe) {
    EXPECT_THAT(Start().Line(), EndsWith("core 0 dumpable 0 umask 63 broken pipe error"));
}

TEST_F(DaemonTest, ReloadsAndGoesOn) {
    Probe probe = Start();
    probe.Line();
    probe.Signal(SIGHUP);
    EXPECT_EQ(probe.Line(), "reload");
    probe.Signal(SIGHUP);
    EXPECT_EQ(probe.Line(), "reload");
    probe.Signal(SIGTERM);
    EXPECT_EQ(probe.Line(), "drain 5s");
    EXPECT_EQ(probe.Wait(), 0);
}

TEST_F(DaemonTest, StopsInOrderWhenItIsToldSoWhileItStarts) {
    Probe probe = Start({}, {"PROBE_WAIT=create"});
    EXPECT_EQ(probe.Line(), "waiting in create");
    probe.Signal(SIGTERM);
    probe.EndInput();
    EXPECT_THAT(probe.Line(), StartsWith("created"));
    EXPECT_EQ(probe.Line(), "drain 5s");
    EXPECT_EQ(probe.Line(), "destroyed");
    EXPECT_EQ(probe.Wait(), 0);
}

TEST_F(DaemonTest, EndsAtOnceOnTheSecondSignalWhateverItIsDoing) {
    {
        Probe probe = Start({}, {"PROBE_WAIT=drain"});
        probe.Line();
        probe.Signal(SIGTERM);
        EXPECT_EQ(probe.Line(), "drain 5s");
        EXPECT_EQ(probe.Line(), "waiting in drain");
        probe.Signal(SIGINT);
        EXPECT_EQ(probe.Line(), "");
        EXPECT_EQ(probe.Wait(), 1);
    }
    Probe probe = Start({}, {"PROBE_WAIT=create"});
    EXPECT_EQ(probe.Line(), "waiting in create");
    probe.Signal(SIGTERM);
    probe.Signal(SIGINT);
    EXPECT_EQ(probe.Wait(), 1);
}

TEST_F(DaemonTest, SaysInOneLineWhyItCannotStart) {
    Probe probe = Start({"-v", "error"}, {"PROBE_FAIL=token 'core' is not there"});
    EXPECT_EQ(probe.Wait(), 1);
    EXPECT_THAT(probe.Errors(), HasSubstr("error daemon: can't start: token 'core' is not there\n"));
    EXPECT_EQ(std::ranges::count(probe.Errors(), '\n'), 1);
}

TEST_F(DaemonTest, SaysInOneLineWhatIsWrongWithTheConfiguration) {
    dir_.Write("probe.json", R"({"caCert": 5, "caCrt": 6})");
    Probe probe = Start();
    EXPECT_EQ(probe.Wait(), 78);
    EXPECT_EQ(probe.Errors(),
              absl::StrCat("daemon-probe: ", config_, ": unknown key 'caCrt', did you mean 'caCert'?\n"));
}

TEST_F(DaemonTest, CountsAMissingConfigurationAsAWrongOne) {
    config_ = dir_.File("absent.json");
    Probe probe = Start();
    EXPECT_EQ(probe.Wait(), 78);
    EXPECT_THAT(probe.Errors(), AllOf(HasSubstr("absent.json"), HasSubstr("No such file")));
}

TEST_F(DaemonTest, CountsAnUnknownOptionAsWrongUsage) {
    Probe probe = Start({"--bogus"});
    EXPECT_EQ(probe.Wait(), 64);
    EXPECT_THAT(probe.Errors(), AllOf(StartsWith("daemon-probe: "), HasSubstr("bogus"), HasSubstr("--help")));
    EXPECT_EQ(std::ranges::count(probe.Errors(), '\n'), 1);
}

TEST_F(DaemonTest, ChecksTheConfigurationWithoutStarting) {
    Probe good = Start({"--check-config"});
    EXPECT_EQ(good.RestOfOutput(), "configuration OK\n");
    EXPECT_EQ(good.Wait(), 0);
    EXPECT_THAT(good.Errors(), IsEmpty());

    dir_.Write("probe.json", R"({"nodeInfo": {"nodeName": "faulty"}})");
    Probe faulty = Start({"--check-config"});
    EXPECT_THAT(faulty.RestOfOutput(), IsEmpty());
    EXPECT_EQ(faulty.Wait(), 78);
    EXPECT_EQ(faulty.Errors(), "first fault\nsecond fault\n");

    dir_.Write("probe.json", R"({"caCert": 5, "caCrt": 6})");
    Probe broken = Start({"--check-config"});
    EXPECT_EQ(broken.Wait(), 78);
    EXPECT_THAT(broken.Errors(), AllOf(HasSubstr("unknown key 'caCrt'"), HasSubstr("caCert: expected a string")));
}

TEST_F(DaemonTest, PrintsVersionAndHelp) {
    Probe version = Start({"--version"});
    EXPECT_EQ(version.Line(), absl::StrCat("daemon-probe ", Version()));
    EXPECT_EQ(version.Wait(), 0);
    Probe help = Start({"--help"});
    EXPECT_THAT(help.RestOfOutput(), HasSubstr("Tells what is asked of it."));
    EXPECT_EQ(help.Wait(), 0);
}

TEST_F(DaemonTest, LogsAtTheLevelThatIsAskedFor) {
    Probe verbose = Start({"-v", "debug"});
    verbose.Line();
    EXPECT_THAT(verbose.Errors(), HasSubstr("debug probe: a detail"));
    Probe normal = Start();
    normal.Line();
    EXPECT_THAT(normal.Errors(), Not(HasSubstr("a detail")));
}

TEST_F(DaemonTest, TellsSystemdWhenItIsReadyReloadsAndStops) {
    const std::string path = dir_.File("notify");
    const FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path.size(), sizeof(address.sun_path));
    path.copy(address.sun_path, path.size());
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    const auto next = [&] {
        std::string message(256, '\0');
        pollfd readable{socket.get(), POLLIN, 0};
        const ssize_t size = ::poll(&readable, 1, kLimitMs) == 1 ? ::recv(socket.get(), message.data(), 256, 0) : 0;
        message.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        return message;
    };

    Probe probe = Start({}, {"NOTIFY_SOCKET=" + path});
    EXPECT_EQ(next(), "READY=1");
    probe.Signal(SIGHUP);
    EXPECT_EQ(next(), "RELOADING=1");
    EXPECT_EQ(next(), "READY=1");
    probe.Signal(SIGTERM);
    EXPECT_EQ(next(), "STOPPING=1");
    EXPECT_EQ(probe.Wait(), 0);
}

}  // namespace
}  // namespace provhub::runtime
