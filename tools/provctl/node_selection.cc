#include "tools/provctl/node_selection.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/status/macros.h"

namespace provhub::provctl {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(200);

bool IsProvisioned(const UnitNode& node) {
    return node.info.state() == "provisioned" || node.info.state() == "paused";
}

// A node counts where the server doesn't say whether it is connected.
int CountConnected(const std::vector<UnitNode>& nodes) {
    return static_cast<int>(
        std::ranges::count_if(nodes, [](const UnitNode& node) { return node.connected.value_or(true); }));
}

absl::StatusOr<std::vector<UnitNode>> WaitForNodes(UnitClient& client, const ProvisionCommand& command,
                                                   Console& console) {
    const absl::Time deadline = absl::Now() + command.wait;
    bool told = false;
    while (true) {
        auto nodes = client.ListNodes();
        const bool worth_waiting = command.wait_for > 0 && (nodes.ok() || absl::IsUnavailable(nodes.status()));
        if (!worth_waiting) {
            return nodes;
        }
        const int connected = nodes.ok() ? CountConnected(*nodes) : 0;
        if (connected >= command.wait_for) {
            return nodes;
        }
        if (absl::Now() >= deadline) {
            RETURN_IF_ERROR(nodes.status());
            return absl::DeadlineExceededError(absl::StrCat("waited ", absl::FormatDuration(command.wait), " for ",
                                                            command.wait_for, " nodes, but only ", connected,
                                                            connected == 1 ? " is" : " are", " connected"));
        }
        if (!told) {
            console.Say(absl::StrCat("waiting for ", command.wait_for, " nodes"));
            told = true;
        }
        absl::SleepFor(kPollInterval);
    }
}

NodeResult Verdict(const std::string& node_id, Outcome outcome, const absl::Status& error, const std::string& note) {
    NodeResult result;
    result.node_id = node_id;
    result.outcome = outcome;
    result.error = error;
    result.note = note;
    return result;
}

std::string IdsOf(const std::vector<UnitNode>& nodes) {
    return absl::StrJoin(nodes, ", ",
                         [](std::string* out, const UnitNode& node) { absl::StrAppend(out, node.info.node_id()); });
}

SelectedNode FindByName(const std::vector<UnitNode>& nodes, const std::string& name) {
    const auto node = std::ranges::find_if(nodes, [&](const UnitNode& n) { return n.info.node_id() == name; });
    if (node == nodes.end()) {
        const auto error =
            absl::NotFoundError(absl::StrCat("the unit has no node '", name, "'; its nodes are ", IdsOf(nodes)));
        return {.node = {}, .verdict = Verdict(name, Outcome::kFailed, error, {})};
    }
    return {.node = *node, .verdict = std::nullopt};
}

SelectedNode SelectByName(const std::vector<UnitNode>& nodes, const std::string& name, bool restart) {
    SelectedNode selected = FindByName(nodes, name);
    if (!selected.verdict.has_value() && IsProvisioned(selected.node) && !restart) {
        const auto error = absl::FailedPreconditionError(
            "the node is provisioned already; --restart erases its keys and provisions it anew");
        selected.verdict = Verdict(name, Outcome::kFailed, error, {});
    }
    return selected;
}

// Says what becomes of the nodes that are not worked on.
void SayVerdicts(const std::vector<SelectedNode>& selected, Console& console) {
    for (const SelectedNode& entry : selected) {
        if (entry.verdict.has_value()) {
            console.Say(absl::StrCat(entry.verdict->node_id, ": ",
                                     entry.verdict->error.ok() ? absl::StrCat(entry.verdict->note, ": skipped")
                                                               : std::string(entry.verdict->error.message())));
        }
    }
}

}  // namespace

absl::StatusOr<std::vector<SelectedNode>> SelectNodes(UnitClient& client, const ProvisionCommand& command,
                                                      Console& console) {
    ASSIGN_OR_RETURN(const std::vector<UnitNode> nodes, WaitForNodes(client, command, console));
    std::vector<SelectedNode> selected;
    if (!command.all) {
        for (const std::string& name : Distinct(command.nodes)) {
            selected.push_back(SelectByName(nodes, name, command.restart));
        }
    }
    for (const UnitNode& node : command.all ? nodes : std::vector<UnitNode>()) {
        SelectedNode& entry = selected.emplace_back(SelectedNode{.node = node, .verdict = std::nullopt});
        if (IsProvisioned(node)) {
            entry.verdict = Verdict(node.info.node_id(), Outcome::kSkipped, absl::OkStatus(), "provisioned already");
        }
    }
    SayVerdicts(selected, console);
    if (selected.empty()) {
        return absl::FailedPreconditionError("the server knows of no node");
    }
    return selected;
}

absl::StatusOr<std::vector<SelectedNode>> SelectProvisionedNodes(UnitClient& client,
                                                                 const std::vector<std::string>& names, bool all,
                                                                 Console& console) {
    ASSIGN_OR_RETURN(const std::vector<UnitNode> nodes, client.ListNodes());
    std::vector<SelectedNode> selected;
    for (const std::string& name : Distinct(names)) {
        selected.push_back(FindByName(nodes, name));
    }
    for (const UnitNode& node : all ? nodes : std::vector<UnitNode>()) {
        selected.push_back({.node = node, .verdict = std::nullopt});
    }
    for (SelectedNode& entry : selected) {
        if (!entry.verdict.has_value() && !IsProvisioned(entry.node)) {
            const std::string why = absl::StrCat("the node is ", entry.node.info.state());
            entry.verdict = all ? Verdict(entry.node.info.node_id(), Outcome::kSkipped, absl::OkStatus(), why)
                                : Verdict(entry.node.info.node_id(), Outcome::kFailed,
                                          absl::FailedPreconditionError(absl::StrCat(why, ", not provisioned")), {});
        }
    }
    SayVerdicts(selected, console);
    return selected;
}

std::vector<std::string> Distinct(const std::vector<std::string>& names) {
    absl::flat_hash_set<std::string> seen;
    std::vector<std::string> distinct;
    std::ranges::copy_if(names, std::back_inserter(distinct),
                         [&](const std::string& name) { return seen.insert(name).second; });
    return distinct;
}

}  // namespace provhub::provctl
