// The platform's own steps of provisioning: programs that the configuration names.
#ifndef PROVHUB_COMMON_PROVISIONING_PLATFORM_HOOKS_H_
#define PROVHUB_COMMON_PROVISIONING_PLATFORM_HOOKS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/crypto/secret.h"

namespace provhub::config::v1 {
class Config;
}

namespace provhub::provisioning {

enum class Hook { kStartProvisioning, kDiskEncryption, kFinishProvisioning, kDeprovision };

class PlatformHooks {
 public:
    virtual ~PlatformHooks() = default;

    // Runs the program of `hook` and waits for its end, `limit` at most; then it is killed with its process group.
    // `password` and a newline are its standard input; an empty one gives it no input. OK where no program is
    // configured. Blocks.
    //
    // Errors: Internal (it failed; the message has the end of its standard error, the password struck out, and
    // status::SetExitCode its exit status), FailedPrecondition (it can't be started), DeadlineExceeded, Cancelled
    // (Stop).
    virtual absl::Status Run(Hook hook, const crypto::Secret& password, absl::Duration limit) = 0;

    // Kills what runs, and whatever is run from now on: the process is ending. Thread-safe.
    virtual void Stop() {}
};

// Runs the programs of `config` as they are, without a shell, with this process's environment and working directory, no
// open file but the three standard ones, in a process group of their own. What a program leaves running in the
// background goes on; its output is not waited for.
std::unique_ptr<PlatformHooks> CreatePlatformHooks(const config::v1::Config& config);

// One status for each program that is missing or can't be executed, naming its key. Changes nothing.
std::vector<absl::Status> CheckPlatformHooks(const config::v1::Config& config);

}  // namespace provhub::provisioning

#endif  // PROVHUB_COMMON_PROVISIONING_PLATFORM_HOOKS_H_
