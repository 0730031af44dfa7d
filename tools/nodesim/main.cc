#include <csignal>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/runtime/open_files.h"
#include "common/tls/tls_version.h"
#include "tools/nodesim/command_line.h"
#include "tools/nodesim/fleet.h"

namespace provhub::nodesim {
namespace {

// Until a signal comes or the time is up, saying what happens.
void Watch(const Statistics& statistics, absl::Duration duration, const sigset_t& signals) {
    constexpr timespec kSecond{1, 0};
    const absl::Time end = absl::Now() + duration;
    std::string said;
    while (absl::Now() < end) {
        const timespec left = absl::ToTimespec(end - absl::Now());
        const timespec wait = end - absl::Now() < absl::Seconds(1) ? left : kSecond;
        if (::sigtimedwait(&signals, nullptr, &wait) > 0) {
            return;
        }
        if (std::string progress = statistics.Progress(); progress != said) {
            std::cerr << progress << std::endl;
            said = std::move(progress);
        }
    }
}

int Simulate(const CommandLine& line, const sigset_t& signals) {
    auto fleet = Fleet::Start(line);
    if (!fleet.ok()) {
        std::cerr << "provhub-nodesim: " << fleet.status().message() << "\n";
        return EXIT_FAILURE;
    }
    const Statistics& statistics = (*fleet)->statistics();
    Watch(statistics, line.duration, signals);
    std::cout << (line.json ? statistics.Json() : statistics.Table()) << std::flush;
    return statistics.all_were_connected() ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace provhub::nodesim

int main(int argc, char** argv) {
    using namespace provhub::nodesim;
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    provhub::tls::RequireTls13();
    const auto parsed = ParseCommandLine(argc, argv);
    if (const auto* nothing = std::get_if<provhub::cli::NothingToRun>(&parsed)) {
        (nothing->exit_status == 0 ? std::cout : std::cerr) << nothing->message;
        return nothing->exit_status;
    }
    // Blocked before there are other threads, which inherit it; taken by Watch.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    provhub::runtime::RaiseOpenFilesLimit();
    return Simulate(std::get<CommandLine>(parsed), signals);
}
