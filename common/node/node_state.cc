#include "common/node/node_state.h"

#include <algorithm>
#include <array>
#include <utility>

namespace provhub::node {
namespace {

template <typename Enum>
using Words = std::pair<Enum, absl::string_view>;

constexpr std::array kStateWords = {
    Words<NodeState>{NodeState::kUnprovisioned, "unprovisioned"},
    Words<NodeState>{NodeState::kProvisioned, "provisioned"},
    Words<NodeState>{NodeState::kPaused, "paused"},
    Words<NodeState>{NodeState::kError, "error"},
};

constexpr std::array kPhaseWords = {
    Words<Phase>{Phase::kNone, "none"},       Words<Phase>{Phase::kStarting, "starting"},
    Words<Phase>{Phase::kStarted, "started"}, Words<Phase>{Phase::kDeprovisioning, "deprovisioning"},
    Words<Phase>{Phase::kErasing, "erasing"},
};

constexpr std::array kMoves = {
    std::pair{NodeState::kUnprovisioned, NodeState::kProvisioned},
    std::pair{NodeState::kProvisioned, NodeState::kPaused},
    std::pair{NodeState::kPaused, NodeState::kProvisioned},
    std::pair{NodeState::kProvisioned, NodeState::kUnprovisioned},
    std::pair{NodeState::kPaused, NodeState::kUnprovisioned},
    std::pair{NodeState::kError, NodeState::kUnprovisioned},
};

template <typename Table, typename Enum>
absl::string_view WordOf(const Table& table, Enum value) {
    return std::ranges::find(table, value, &Words<Enum>::first)->second;
}

template <typename Enum, typename Table>
std::optional<Enum> ValueOf(const Table& table, absl::string_view word) {
    const auto row = std::ranges::find(table, word, &Words<Enum>::second);
    return row == table.end() ? std::nullopt : std::optional(row->first);
}

}  // namespace

absl::string_view ToString(NodeState state) {
    return WordOf(kStateWords, state);
}
std::optional<NodeState> ParseNodeState(absl::string_view word) {
    return ValueOf<NodeState>(kStateWords, word);
}

absl::string_view ToString(Phase phase) {
    return WordOf(kPhaseWords, phase);
}
std::optional<Phase> ParsePhase(absl::string_view word) {
    return ValueOf<Phase>(kPhaseWords, word);
}

bool IsAllowed(NodeState from, NodeState to) {
    return from == to || std::ranges::find(kMoves, std::pair{from, to}) != kMoves.end();
}

}  // namespace provhub::node
