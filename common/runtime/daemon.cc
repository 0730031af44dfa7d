#include "common/runtime/daemon.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/runtime/command_line.h"
#include "common/runtime/log.h"
#include "common/runtime/open_files.h"
#include "common/runtime/signal_queue.h"
#include "common/runtime/version.h"
#include "common/tls/tls_version.h"

namespace provhub::runtime {
namespace {

constexpr Log kLog("daemon");
constexpr absl::Duration kDrainLimit = absl::Seconds(5);

// sysexits(3)
constexpr int kExitUsage = 64;
constexpr int kExitConfig = 78;

// Passwords and PINs pass through this process: no core file, no look into it from other processes of the user, and
// what it writes is its user's alone unless asked for otherwise.
void GuardSecrets() {
    const rlimit no_core{0, 0};
    if (::setrlimit(RLIMIT_CORE, &no_core) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        kLog.Warning("core files can't be switched off");
    }
    ::umask(S_IRWXG | S_IRWXO);
}

int CheckConfig(const CommandLine& line, const DaemonSpec& spec) {
    auto loaded = config::LoadWithEveryFault(line.config, spec.kind);
    if (loaded.faults.empty()) {
        loaded.faults = spec.check(loaded.config);
    }
    for (const absl::Status& fault : loaded.faults) {
        std::cerr << fault.message() << "\n";
    }
    if (!loaded.faults.empty()) {
        return kExitConfig;
    }
    std::cout << "configuration OK\n";
    return EXIT_SUCCESS;
}

void Serve(DaemonApp& app, SignalQueue& signals) {
    while (signals.Take() == SignalQueue::Event::kReload) {
        kLog.Notice("reloading");
        ::sd_notify(0, "RELOADING=1");
        app.Reload();
        ::sd_notify(0, "READY=1");
    }
    kLog.Notice("stopping");
    ::sd_notify(0, "STOPPING=1");
    app.Drain(kDrainLimit);
}

int Run(const CommandLine& line, const DaemonSpec& spec) {
    const auto config = config::Load(line.config, spec.kind);
    if (!config.ok()) {
        std::cerr << spec.name << ": " << config.status().message() << "\n";
        return kExitConfig;
    }
    StartLogging(line.level);
    GuardSecrets();
    RaiseOpenFilesLimit();
    SignalQueue signals;
    auto app = spec.create(*config, line.provisioning_mode);
    if (!app.ok()) {
        kLog.Error(absl::StrCat("can't start: ", app.status().message()));
        return EXIT_FAILURE;
    }
    kLog.Notice(
        absl::StrCat(spec.name, " ", Version(), " is ready", line.provisioning_mode ? ", provisioning mode" : ""));
    ::sd_notify(0, "READY=1");
    Serve(**app, signals);
    // Under the protection of the signal queue still.
    app->reset();
    kLog.Notice("stopped");
    return EXIT_SUCCESS;
}

}  // namespace

int RunDaemon(int argc, char** argv, const DaemonSpec& spec) {
    // Debian's Abseil looks for lock cycles in every build, which costs time and memory for each mutex.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    // A peer that goes away is an error of write(2). Not SIG_IGN, which the hook programs would inherit.
    std::signal(SIGPIPE, [](int) {});
    tls::RequireTls13();
    const auto line = ParseCommandLine(argc, argv, spec.default_config);
    if (!line.ok()) {
        std::cerr << spec.name << ": " << line.status().message() << "; --help tells what is possible\n";
        return kExitUsage;
    }
    switch (line->action) {
        case CommandLine::Action::kHelp:
            std::cout << HelpText(spec.name, spec.purpose, spec.default_config);
            return EXIT_SUCCESS;
        case CommandLine::Action::kVersion:
            std::cout << spec.name << " " << Version() << "\n";
            return EXIT_SUCCESS;
        case CommandLine::Action::kCheckConfig:
            return CheckConfig(*line, spec);
        case CommandLine::Action::kRun:
            break;
    }
    return Run(*line, spec);
}

}  // namespace provhub::runtime
