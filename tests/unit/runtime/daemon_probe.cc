// A daemon without a purpose: tells on standard output what is asked of it. PROBE_FAIL makes its creation fail,
// PROBE_WAIT=create or =drain makes that step wait until standard input ends.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <iostream>

#include "absl/strings/string_view.h"
#include "common/runtime/daemon.h"
#include "common/runtime/log.h"

namespace {

using provhub::runtime::DaemonApp;

absl::string_view Environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

void Tell(const std::string& line) {
    std::cout << line << std::endl;
}

void WaitIfAskedTo(absl::string_view step) {
    if (Environment("PROBE_WAIT") == step) {
        Tell("waiting in " + std::string(step));
        std::cin.get();
    }
}

// What a write into a pipe that nobody reads gives.
std::string BrokenPipe() {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) {
        return "no pipe";
    }
    ::close(ends[0]);
    const bool broken = ::write(ends[1], "x", 1) < 0 && errno == EPIPE;
    ::close(ends[1]);
    return broken ? "error" : "nothing";
}

std::string Guards() {
    rlimit core{1, 1};
    ::getrlimit(RLIMIT_CORE, &core);
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return "core " + std::to_string(core.rlim_cur) + " dumpable " + std::to_string(::prctl(PR_GET_DUMPABLE)) +
           " umask " + std::to_string(mask) + " broken pipe " + BrokenPipe();
}

class Probe final : public DaemonApp {
 public:
    ~Probe() override { Tell("destroyed"); }

    void Drain(absl::Duration limit) override {
        Tell("drain " + absl::FormatDuration(limit));
        WaitIfAskedTo("drain");
    }

    void Reload() override { Tell("reload"); }
};

absl::StatusOr<std::unique_ptr<DaemonApp>> Create(const provhub::config::v1::Config& config, bool provisioning_mode) {
    WaitIfAskedTo("create");
    if (!Environment("PROBE_FAIL").empty()) {
        return absl::FailedPreconditionError(Environment("PROBE_FAIL"));
    }
    provhub::runtime::Log("probe").Debug("a detail");
    Tell("created " + config.node_info().node_name() + (provisioning_mode ? " provisioning" : " normal") + " " +
         Guards());
    return std::make_unique<Probe>();
}

std::vector<absl::Status> Check(const provhub::config::v1::Config& config) {
    if (config.node_info().node_name() == "faulty") {
        return {absl::NotFoundError("first fault"), absl::NotFoundError("second fault")};
    }
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    return provhub::runtime::RunDaemon(argc, argv,
                                       {.name = "daemon-probe",
                                        .purpose = "Tells what is asked of it.",
                                        .default_config = "/nonexistent/probe.json",
                                        .kind = provhub::config::NodeKind::kMain,
                                        .create = Create,
                                        .check = Check});
}
