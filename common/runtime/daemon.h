// The process around an application: command line, configuration, logging, signals, readiness, exit status.
#ifndef PROVHUB_COMMON_RUNTIME_DAEMON_H_
#define PROVHUB_COMMON_RUNTIME_DAEMON_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/config/config.h"

namespace provhub::runtime {

// A running application: made ready to serve by its factory, stopped by its destructor.
class DaemonApp {
 public:
    virtual ~DaemonApp() = default;

    // No new calls from now on; running ones are finished or answered, streams closed, before this returns, within
    // `limit`. Called once, from the main thread, on SIGTERM or SIGINT.
    virtual void Drain(absl::Duration limit) = 0;

    // SIGHUP. Main thread.
    virtual void Reload() = 0;
};

struct DaemonSpec {
    // "provhub-main"
    std::string name;
    // For --help, one sentence.
    std::string purpose;
    std::string default_config;
    config::NodeKind kind;
    std::function<absl::StatusOr<std::unique_ptr<DaemonApp>>(const config::v1::Config&, bool provisioning_mode)> create;
    // Everything that is wrong and can be seen without starting (--check-config).
    std::function<std::vector<absl::Status>(const config::v1::Config&)> check;
};

// The body of main(): parses the command line (-c -p -v --check-config --version --help), loads the configuration,
// starts logging, creates the application, tells systemd READY=1, waits for SIGTERM or SIGINT, drains within 5 s.
// Returns the exit status: 0; 64 usage; 78 configuration; 1 anything else.
int RunDaemon(int argc, char** argv, const DaemonSpec& spec);

}  // namespace provhub::runtime

#endif  // PROVHUB_COMMON_RUNTIME_DAEMON_H_
