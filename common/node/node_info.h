// What this machine is: the part of NodeInfo that does not change while the node runs.
#ifndef PROVHUB_COMMON_NODE_NODE_INFO_H_
#define PROVHUB_COMMON_NODE_NODE_INFO_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "iamanager/v6/iamanager.pb.h"

namespace provhub::config::v1 {
class NodeInfo;
}

namespace provhub::node {

// Where the machine describes itself, beside the paths of the configuration.
struct MachineFiles {
    std::string os_release = "/etc/os-release";
};

// Everything but state and error, from the configuration, /proc, uname and statvfs. What can't be found out is left
// empty, with a warning in the log. `main_node` adds the attribute MainNode where the configuration does not have it.
//
// Errors: as CurrentNode::Create.
absl::StatusOr<iamanager::v6::NodeInfo> ReadNodeInfo(const config::v1::NodeInfo& config, bool main_node,
                                                     const MachineFiles& machine = {});

// One entry for each physical processor and kind of core, in the order of the text, which is that of /proc/cpuinfo on
// x86 and ARM. Only model name, cores and threads are set.
std::vector<iamanager::v6::CPUInfo> ParseCpuInfo(absl::string_view text);

// MemTotal of /proc/meminfo, in bytes. InvalidArgument where there is none.
absl::StatusOr<std::uint64_t> ParseTotalMemory(absl::string_view text);

}  // namespace provhub::node

#endif  // PROVHUB_COMMON_NODE_NODE_INFO_H_
