#include "common/node/node_info.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/runtime/atomic_file.h"
#include "common/runtime/log.h"
#include "common/status/macros.h"
#include "common/status/status.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::node {
namespace {

constexpr runtime::Log kLog("node");
constexpr absl::string_view kMainNodeAttribute = "MainNode";
constexpr std::size_t kMaxNodeIdLength = 64;
constexpr std::size_t kMaxIdFileBytes = 64 << 10;
constexpr std::size_t kMaxProcFileBytes = 4 << 20;

absl::StatusOr<std::string> ReadNodeId(const std::string& path) {
    const auto content = runtime::ReadSmallFile(path, kMaxIdFileBytes);
    if (!content.ok()) {
        return status::Annotate(content.status(), "node ID");
    }
    const absl::string_view first_line = absl::string_view(*content).substr(0, content->find('\n'));
    const absl::string_view id = absl::StripAsciiWhitespace(first_line);
    const bool printable = std::ranges::all_of(id, [](char c) { return absl::ascii_isprint(c); });
    if (id.empty() || id.size() > kMaxNodeIdLength || !printable) {
        return absl::InvalidArgumentError(absl::StrCat("node ID: the first line of ", path, " must be 1 to ",
                                                       kMaxNodeIdLength, " printable ASCII characters"));
    }
    return std::string(id);
}

// Empty where the file can't be read.
std::string ReadDescription(const std::string& path) {
    auto content = runtime::ReadSmallFile(path, kMaxProcFileBytes);
    if (!content.ok()) {
        kLog.Warning(absl::StrCat("node information is incomplete: ", content.status().message()));
        return {};
    }
    return *std::move(content);
}

// KEY=value or KEY="value" lines, os-release(5).
std::string OsReleaseValue(absl::string_view text, absl::string_view wanted) {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
        const std::pair<absl::string_view, absl::string_view> entry = absl::StrSplit(line, absl::MaxSplits('=', 1));
        if (absl::StripAsciiWhitespace(entry.first) != wanted) {
            continue;
        }
        absl::string_view value = absl::StripAsciiWhitespace(entry.second);
        if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front()) {
            value = value.substr(1, value.size() - 2);
        }
        return std::string(value);
    }
    return {};
}

void AddOs(const config::v1::NodeInfo& config, const utsname& kernel, const MachineFiles& machine,
           iamanager::v6::NodeInfo& info) {
    auto& os = *info.mutable_os_info();
    os.set_os(config.os().empty() ? absl::AsciiStrToLower(kernel.sysname) : config.os());
    std::string version = config.os_version();
    if (version.empty()) {
        const auto release = runtime::ReadSmallFile(machine.os_release, kMaxIdFileBytes);
        version = release.ok() ? OsReleaseValue(*release, "VERSION_ID") : std::string();
    }
    os.set_version(version.empty() ? std::string(kernel.release) : version);
}

void AddCpus(const config::v1::NodeInfo& config, const utsname& kernel, iamanager::v6::NodeInfo& info) {
    std::uint64_t all_threads = 0;
    for (auto& cpu : ParseCpuInfo(ReadDescription(config.cpu_info_path()))) {
        all_threads += cpu.num_threads();
        auto& arch = *cpu.mutable_arch_info();
        arch.set_architecture(config.architecture().empty() ? std::string(kernel.machine) : config.architecture());
        arch.set_variant(config.architecture_variant());
        *info.add_cpus() = std::move(cpu);
    }
    // The configuration knows the node's power only; each processor gets its share.
    for (auto& cpu : *info.mutable_cpus()) {
        const auto share = static_cast<double>(cpu.num_threads()) / static_cast<double>(all_threads);
        cpu.set_max_dmips(static_cast<std::uint64_t>(static_cast<double>(config.max_dmips()) * share));
    }
}

void AddMemory(const config::v1::NodeInfo& config, iamanager::v6::NodeInfo& info) {
    const std::string text = ReadDescription(config.mem_info_path());
    if (text.empty()) {
        return;
    }
    const auto total = ParseTotalMemory(text);
    if (!total.ok()) {
        kLog.Warning(
            absl::StrCat("node information is incomplete: ", config.mem_info_path(), ": ", total.status().message()));
        return;
    }
    info.set_total_ram(*total);
    info.set_physical_ram(*total);
}

void AddPartitions(const config::v1::NodeInfo& config, iamanager::v6::NodeInfo& info) {
    for (const auto& configured : config.partitions()) {
        auto& partition = *info.add_partitions();
        partition.set_name(configured.name());
        partition.set_path(configured.path());
        *partition.mutable_types() = configured.types();
        struct statvfs found {};
        if (::statvfs(configured.path().c_str(), &found) == 0) {
            partition.set_total_size(static_cast<std::uint64_t>(found.f_blocks) * found.f_frsize);
        } else {
            kLog.Warning(absl::StrCat("the size of partition '", configured.name(),
                                      "' is not known: ", configured.path(), ": ", std::strerror(errno)));
        }
    }
}

absl::Status AddAttributes(const config::v1::NodeInfo& config, bool main_node, iamanager::v6::NodeInfo& info) {
    std::map<std::string, std::string> attributes(config.attrs().begin(), config.attrs().end());
    std::string main_node_value;
    for (auto attribute = attributes.begin(); attribute != attributes.end();) {
        if (!absl::EqualsIgnoreCase(attribute->first, kMainNodeAttribute)) {
            ++attribute;
            continue;
        }
        if (!main_node) {
            return absl::InvalidArgumentError(absl::StrCat("nodeInfo.attrs.", attribute->first,
                                                           ": only the main node has this attribute; remove it"));
        }
        main_node_value = attribute->second;
        attribute = attributes.erase(attribute);
    }
    if (main_node) {
        attributes.emplace(kMainNodeAttribute, main_node_value);
    }
    for (const auto& [name, value] : attributes) {
        auto& attribute = *info.add_attrs();
        attribute.set_name(name);
        attribute.set_value(value);
    }
    return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::uint64_t> ParseTotalMemory(absl::string_view text) {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
        absl::string_view rest = line;
        if (!absl::ConsumePrefix(&rest, "MemTotal:")) {
            continue;
        }
        constexpr std::uint64_t kUnit = 1024;
        std::uint64_t kibibytes = 0;
        if (!absl::EndsWith(absl::StripAsciiWhitespace(rest), "kB") ||
            !absl::SimpleAtoi(absl::StripSuffix(absl::StripAsciiWhitespace(rest), "kB"), &kibibytes) ||
            kibibytes > UINT64_MAX / kUnit) {
            return absl::InvalidArgumentError("MemTotal is not a number of kB");
        }
        return kibibytes * kUnit;
    }
    return absl::InvalidArgumentError("no MemTotal");
}

absl::StatusOr<iamanager::v6::NodeInfo> ReadNodeInfo(const config::v1::NodeInfo& config, bool main_node,
                                                     const MachineFiles& machine) {
    iamanager::v6::NodeInfo info;
    ASSIGN_OR_RETURN(*info.mutable_node_id(), ReadNodeId(config.node_id_path()));
    RETURN_IF_ERROR(AddAttributes(config, main_node, info));
    info.set_node_type(config.node_type());
    info.set_title(config.node_name());
    info.set_max_dmips(config.max_dmips());
    utsname kernel{};
    if (::uname(&kernel) != 0) {
        kLog.Warning(absl::StrCat("node information is incomplete: uname: ", std::strerror(errno)));
    }
    AddOs(config, kernel, machine, info);
    AddCpus(config, kernel, info);
    AddMemory(config, info);
    AddPartitions(config, info);
    return info;
}

}  // namespace provhub::node
