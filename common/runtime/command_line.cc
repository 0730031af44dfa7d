#include "common/runtime/command_line.h"

#include <Poco/Util/HelpFormatter.h>
#include <Poco/Util/Option.h>
#include <Poco/Util/OptionException.h>
#include <Poco/Util/OptionProcessor.h>
#include <Poco/Util/OptionSet.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status/macros.h"

namespace provhub::runtime {
namespace {

using Action = CommandLine::Action;
using Poco::Util::Option;

constexpr absl::string_view kLevels = "trace, debug, information, notice, warning, error";

constexpr std::array kLevelNames = {
    std::pair<absl::string_view, LogLevel>{"trace", LogLevel::kTrace},
    std::pair<absl::string_view, LogLevel>{"debug", LogLevel::kDebug},
    std::pair<absl::string_view, LogLevel>{"information", LogLevel::kInformation},
    std::pair<absl::string_view, LogLevel>{"notice", LogLevel::kNotice},
    std::pair<absl::string_view, LogLevel>{"warning", LogLevel::kWarning},
    std::pair<absl::string_view, LogLevel>{"error", LogLevel::kError},
};

Poco::Util::OptionSet Options(absl::string_view default_config) {
    Poco::Util::OptionSet options;
    options.addOption(
        Option("config", "c", absl::StrCat("configuration file (", default_config, ")")).argument("FILE"));
    options.addOption(Option("provisioning", "p", "provisioning mode: the node may be given its identity"));
    options.addOption(
        Option("verbose", "v", absl::StrCat("what to log, one of ", kLevels, " (information)")).argument("LEVEL"));
    options.addOption(Option("check-config", "", "check the configuration, print what is wrong and exit"));
    options.addOption(Option("version", "", "print the version and exit"));
    options.addOption(Option("help", "h", "print this text and exit"));
    return options;
}

absl::Status Apply(const std::string& option, const std::string& value, CommandLine& result) {
    if (option == "config") {
        result.config = value;
    } else if (option == "provisioning") {
        result.provisioning_mode = true;
    } else if (option == "verbose") {
        const auto* row =
            std::ranges::find(kLevelNames, absl::string_view(value), &std::pair<absl::string_view, LogLevel>::first);
        if (row == kLevelNames.end()) {
            return absl::InvalidArgumentError(absl::StrCat("unknown level '", value, "', expected one of ", kLevels));
        }
        result.level = row->second;
    } else {
        // --help goes before everything else, wherever it stands.
        const Action action = option == "help"      ? Action::kHelp
                              : option == "version" ? Action::kVersion
                                                    : Action::kCheckConfig;
        result.action = std::max(result.action, action);
    }
    return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(int argc, const char* const* argv, absl::string_view default_config) {
    CommandLine result;
    result.config = std::string(default_config);
    try {
        const Poco::Util::OptionSet options = Options(default_config);
        Poco::Util::OptionProcessor processor(options);
        for (int i = 1; i < argc; ++i) {
            std::string option;
            std::string value;
            if (!processor.process(argv[i], option, value)) {
                return absl::InvalidArgumentError(absl::StrCat("unexpected argument '", argv[i], "'"));
            }
            // Empty while the option's argument is still to come.
            if (!option.empty()) {
                RETURN_IF_ERROR(Apply(option, value, result));
            }
        }
        processor.checkRequired();
    } catch (const Poco::Exception& error) {
        return absl::InvalidArgumentError(error.displayText());
    }
    if (result.config.empty()) {
        return absl::InvalidArgumentError("the name of the configuration file is empty");
    }
    return result;
}

std::string HelpText(absl::string_view program, absl::string_view purpose, absl::string_view default_config) {
    const Poco::Util::OptionSet options = Options(default_config);
    Poco::Util::HelpFormatter formatter(options);
    formatter.setUnixStyle(true);
    formatter.setCommand(std::string(program));
    formatter.setUsage("[OPTION...]");
    formatter.setHeader(std::string(purpose));
    formatter.setFooter(
        "Exit status: 0 success, 64 wrong usage, 78 wrong configuration, 1 any other failure. SIGTERM and SIGINT stop "
        "the program in an orderly way, a second one at once.");
    std::ostringstream text;
    formatter.format(text);
    return text.str();
}

}  // namespace provhub::runtime
