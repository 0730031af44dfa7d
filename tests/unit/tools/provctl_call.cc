#include "tests/unit/tools/provctl_call.h"

#include <algorithm>
#include <csignal>
#include <iterator>
#include <sstream>
#include <variant>

#include "absl/time/clock.h"
#include "tools/provctl/commands.h"
#include "tools/provctl/dev_ca.h"

namespace provhub::provctl {

Result CallProvctl(const std::string& server, const std::vector<std::string>& arguments, const std::string& input) {
    std::vector<const char*> argv = {"provctl", "--plaintext", "--timeout", "3s", "--server", server.c_str()};
    std::ranges::transform(arguments, std::back_inserter(argv), [](const std::string& a) { return a.c_str(); });
    const auto parsed = ParseCommandLine(static_cast<int>(argv.size()), argv.data());
    if (const auto* nothing = std::get_if<cli::NothingToRun>(&parsed)) {
        return {.exit_status = nothing->exit_status, .out = {}, .err = nothing->message};
    }
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    const int exit_status = Run(std::get<CommandLine>(parsed), {.in = in, .out = out, .err = err});
    return {.exit_status = exit_status, .out = out.str(), .err = err.str()};
}

CommandsTest::CommandsTest(Make make)
    : unit_(make),
      ca_(temp_.File("ca")),
      soon_(absl::Now() + absl::Hours(24 * 10)),
      late_(absl::Now() + absl::Hours(24 * 100)) {
    std::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(DevCa::Create(ca_, absl::Now()), absl::OkStatus());
    password_file_ = temp_.Write("password", "correct horse\n");
}

Result CommandsTest::Call(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-o", "json"});
    return CallProvctl(server_, arguments, input_);
}

Result CommandsTest::CallSigned(const std::string& command, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), command);
    arguments.insert(arguments.end(), {"--ca", ca_, "--password-file", password_file_});
    return Call(arguments);
}

}  // namespace provhub::provctl
