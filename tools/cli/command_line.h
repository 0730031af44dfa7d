// What the command lines of the tools have in common.
#ifndef PROVHUB_TOOLS_CLI_COMMAND_LINE_H_
#define PROVHUB_TOOLS_CLI_COMMAND_LINE_H_

#include <functional>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace provhub::cli {

// --help, --version, or a mistake.
struct NothingToRun {
    int exit_status;
    // For standard output where the exit status is 0, otherwise for standard error.
    std::string message;
};

// Has `app` take the arguments, then asks `contradiction` for what the options can't tell each by itself; it gives an
// empty text where all is well. Nothing: there is something to run.
std::optional<NothingToRun> Parse(CLI::App& app, int argc, const char* const* argv,
                                  const std::function<std::string()>& contradiction);

// For callbacks of options. These throw CLI::ValidationError, which Parse takes for a mistake.

// As crypto::Fingerprint.
std::string Fingerprint(const std::string& text);
// Of --output: "table" or "json".
bool IsJson(const std::string& format);

}  // namespace provhub::cli

#endif  // PROVHUB_TOOLS_CLI_COMMAND_LINE_H_
