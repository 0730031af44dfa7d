#include "common/node/state_file.h"

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/runtime/atomic_file.h"
#include "common/status/macros.h"
#include "common/status/shown.h"

namespace provhub::node {
namespace {

constexpr std::size_t kMaxBytes = 64 << 10;
constexpr mode_t kMode = 0644;
constexpr absl::string_view kPhaseKey = "phase";
constexpr absl::string_view kUpdatedKey = "updated";

absl::Status Unclear(const std::string& path, const std::string& what) {
    return absl::FailedPreconditionError(absl::StrCat("state file ", path, ": ", what));
}

absl::StatusOr<std::optional<Phase>> PhaseOfLine(const std::string& path, absl::string_view line) {
    const std::pair<absl::string_view, absl::string_view> entry = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (absl::StripAsciiWhitespace(entry.first) != kPhaseKey) {
        return std::nullopt;
    }
    const absl::string_view word = absl::StripAsciiWhitespace(entry.second);
    const auto phase = ParsePhase(word);
    if (!phase) {
        return Unclear(path, absl::StrCat("unknown phase '", status::Shown(word), "'"));
    }
    return phase;
}

}  // namespace

absl::StatusOr<StateRecord> ReadStateFile(const std::string& path) {
    const auto content = runtime::ReadSmallFile(path, kMaxBytes);
    if (absl::IsNotFound(content.status())) {
        return StateRecord{};
    }
    if (!content.ok()) {
        return absl::Status(content.status().code(), absl::StrCat("state file: ", content.status().message()));
    }
    const std::vector<absl::string_view> lines = absl::StrSplit(*content, '\n');
    const absl::string_view word = absl::StripAsciiWhitespace(lines.front());
    const auto state = ParseNodeState(word);
    if (!state) {
        return Unclear(path, absl::StrCat("unknown state '", status::Shown(word), "'"));
    }
    StateRecord record{.state = *state, .phase = Phase::kNone};
    bool phase_seen = false;
    for (std::size_t i = 1; i < lines.size(); ++i) {
        ASSIGN_OR_RETURN(const std::optional<Phase> phase, PhaseOfLine(path, lines[i]));
        if (phase && phase_seen) {
            return Unclear(path, "it names a phase twice");
        }
        record.phase = phase.value_or(record.phase);
        phase_seen = phase_seen || phase.has_value();
    }
    return record;
}

absl::Status WriteStateFile(const std::string& path, const StateRecord& record, absl::Time updated) {
    const std::string content =
        absl::StrCat(ToString(record.state), "\n", kPhaseKey, ": ", ToString(record.phase), "\n", kUpdatedKey, ": ",
                     absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", updated, absl::UTCTimeZone()), "\n");
    return runtime::WriteFileAtomically(path, content, kMode);
}

}  // namespace provhub::node
