#include "common/provisioning/platform_hooks.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <stop_token>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/provisioning/child_process.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::provisioning {
namespace {

constexpr runtime::Log kLog("hook");

constexpr std::size_t kShownOutput = 4096;

using Arguments = google::protobuf::RepeatedPtrField<std::string>;

struct Row {
    Hook hook;
    absl::string_view key;
    const Arguments& (config::v1::Config::*arguments)() const;
};

constexpr std::array kRows = {
    Row{Hook::kStartProvisioning, "startProvisioningCmdArgs", &config::v1::Config::start_provisioning_cmd_args},
    Row{Hook::kDiskEncryption, "diskEncryptionCmdArgs", &config::v1::Config::disk_encryption_cmd_args},
    Row{Hook::kFinishProvisioning, "finishProvisioningCmdArgs", &config::v1::Config::finish_provisioning_cmd_args},
    Row{Hook::kDeprovision, "deprovisionCmdArgs", &config::v1::Config::deprovision_cmd_args},
};

// One line of printable ASCII: it goes into a protobuf string and a log.
std::string Printable(absl::string_view output, const crypto::Secret& password) {
    std::string text(output);
    if (!password.empty()) {
        text = absl::StrReplaceAll(text, {{password.Reveal(), "***"}});
    }
    text.erase(0, text.size() - std::min(text.size(), kShownOutput));
    absl::StripAsciiWhitespace(&text);
    text = absl::StrReplaceAll(text, {{"\r\n", " | "}, {"\n", " | "}, {"\t", " "}});
    std::ranges::replace_if(
        text, [](char c) { return !absl::ascii_isprint(static_cast<unsigned char>(c)); }, '?');
    return text;
}

absl::StatusOr<ChildResult> RunWithPassword(const std::vector<std::string>& command, const crypto::Secret& password,
                                            absl::Duration limit, const std::stop_token& stop) {
    std::string input;
    input.reserve(password.size() + 1);
    if (!password.empty()) {
        absl::StrAppend(&input, password.Reveal(), "\n");
    }
    auto result = RunChild(command, input, limit, stop);
    crypto::Secret::TakeFrom(input);
    return result;
}

absl::Status Verdict(const ChildResult& result, const crypto::Secret& password) {
    if (result.exit_code == 0) {
        return absl::OkStatus();
    }
    std::string message = result.exit_code ? absl::StrCat("ended with status ", *result.exit_code)
                                           : absl::StrCat("was killed by signal ", *result.signal);
    const std::string output = Printable(result.error_output, password);
    absl::Status status = absl::InternalError(output.empty() ? message : absl::StrCat(message, ": ", output));
    if (result.exit_code) {
        status::SetExitCode(status, *result.exit_code);
    }
    return status;
}

class ProgramHooks final : public PlatformHooks {
 public:
    explicit ProgramHooks(const config::v1::Config& config) {
        for (const Row& row : kRows) {
            const Arguments& arguments = (config.*row.arguments)();
            commands_[static_cast<std::size_t>(row.hook)].assign(arguments.begin(), arguments.end());
        }
    }

    absl::Status Run(Hook hook, const crypto::Secret& password, absl::Duration limit) override {
        const std::vector<std::string>& command = commands_[static_cast<std::size_t>(hook)];
        if (command.empty()) {
            return absl::OkStatus();
        }
        if (stop_.stop_requested()) {
            return absl::CancelledError("the node is stopping");
        }
        kLog.Information(absl::StrCat("running '", command[0], "'"));
        const auto result = RunWithPassword(command, password, limit, stop_.get_token());
        const absl::Status status = result.ok() ? Verdict(*result, password) : result.status();
        return status::Annotate(status, absl::StrCat("platform program '", command[0], "'"));
    }

    void Stop() override { stop_.request_stop(); }

 private:
    std::stop_source stop_;
    std::array<std::vector<std::string>, kRows.size()> commands_;
};

}  // namespace

std::unique_ptr<PlatformHooks> CreatePlatformHooks(const config::v1::Config& config) {
    return std::make_unique<ProgramHooks>(config);
}

std::vector<absl::Status> CheckPlatformHooks(const config::v1::Config& config) {
    std::vector<absl::Status> faults;
    for (const Row& row : kRows) {
        const Arguments& arguments = (config.*row.arguments)();
        // A program without a slash is looked for in PATH when it is run.
        if (arguments.empty() || arguments[0].find('/') == std::string::npos ||
            ::access(arguments[0].c_str(), X_OK) == 0) {
            continue;
        }
        faults.push_back(absl::ErrnoToStatus(errno, absl::StrCat(row.key, "[0]: '", arguments[0], "'")));
    }
    return faults;
}

}  // namespace provhub::provisioning
