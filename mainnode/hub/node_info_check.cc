#include "mainnode/hub/node_info_check.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/node/node_state.h"
#include "common/status/macros.h"
#include "common/status/shown.h"
#include "common/status/status.h"

namespace provhub::hub {
namespace {

constexpr std::size_t kMaxNodeIdLength = 64;
constexpr std::size_t kMaxNodeInfoBytes = 64 * 1024;

bool IsNodeId(absl::string_view id) {
    return !id.empty() && id.size() <= kMaxNodeIdLength && id.front() != ' ' && id.back() != ' ' &&
           std::ranges::all_of(id, [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); });
}

}  // namespace

absl::Status CheckNodeId(absl::string_view node_id) {
    if (!IsNodeId(node_id)) {
        return absl::InvalidArgumentError(
            absl::StrCat("node ID '", status::Shown(node_id),
                         "': expected 1 to 64 characters of printable ASCII without a space at either end"));
    }
    return absl::OkStatus();
}

absl::Status CheckNodeInfo(const iamanager::v6::NodeInfo& info) {
    RETURN_IF_ERROR(status::Annotate(CheckNodeId(info.node_id()), "NodeInfo"));
    if (!node::ParseNodeState(info.state())) {
        return absl::InvalidArgumentError(absl::StrCat("NodeInfo.state '", status::Shown(info.state()),
                                                       "': expected unprovisioned, provisioned, paused or error"));
    }
    if (std::ranges::any_of(info.attrs(), [](const auto& a) { return absl::EqualsIgnoreCase(a.name(), "MainNode"); })) {
        return absl::InvalidArgumentError("NodeInfo.attrs: MainNode marks the main node, no other can have it");
    }
    if (info.ByteSizeLong() > kMaxNodeInfoBytes) {
        return absl::InvalidArgumentError(
            absl::StrCat("NodeInfo has ", info.ByteSizeLong(), " bytes, expected at most ", kMaxNodeInfoBytes));
    }
    return absl::OkStatus();
}

}  // namespace provhub::hub
