#include "tools/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/crypto/fingerprint.h"

namespace provhub::cli {
namespace {

constexpr int kUsage = 2;

}  // namespace

std::optional<NothingToRun> Parse(CLI::App& app, int argc, const char* const* argv,
                                  const std::function<std::string()>& contradiction) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        std::ostringstream out;
        std::ostringstream err;
        const bool asked_for = app.exit(error, out, err) == 0;
        return NothingToRun{.exit_status = asked_for ? 0 : kUsage, .message = asked_for ? out.str() : err.str()};
    }
    if (const std::string fault = contradiction(); !fault.empty()) {
        return NothingToRun{.exit_status = kUsage, .message = absl::StrCat(fault, "\n")};
    }
    return std::nullopt;
}

std::string Fingerprint(const std::string& text) {
    auto fingerprint = crypto::ParseFingerprint(text);
    if (!fingerprint.ok()) {
        throw CLI::ValidationError(std::string(fingerprint.status().message()));
    }
    return *std::move(fingerprint);
}

bool IsJson(const std::string& format) {
    if (format != "table" && format != "json") {
        throw CLI::ValidationError(absl::StrCat("--output is table or json, not '", format, "'"));
    }
    return format == "json";
}

}  // namespace provhub::cli
