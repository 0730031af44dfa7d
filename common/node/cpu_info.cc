#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/node/node_info.h"

namespace provhub::node {
namespace {

using Fields = std::map<absl::string_view, absl::string_view>;

struct Processor {
    std::string socket;
    std::string model;
    iamanager::v6::CPUInfo info;
    std::set<std::string> core_ids;
};

std::string Find(const Fields& fields, absl::string_view key) {
    const auto found = fields.find(key);
    return found == fields.end() ? std::string() : std::string(found->second);
}

// `common` is what stands outside of the blocks: older ARM kernels name the model only there.
std::string ModelName(const Fields& block, const Fields& common) {
    if (std::string name = Find(block, "model name"); !name.empty()) {
        return name;
    }
    const std::string part = Find(block, "CPU part");
    if (!part.empty()) {
        return absl::StrCat("CPU implementer ", Find(block, "CPU implementer"), " part ", part);
    }
    if (std::string name = Find(common, "Processor"); !name.empty()) {
        return name;
    }
    return Find(common, "Hardware");
}

// Each logical CPU has a block that begins with "processor"; in older ARM kernels blank lines and fields that belong to
// the whole machine stand between and behind them.
std::pair<std::vector<Fields>, Fields> ParseBlocks(absl::string_view text) {
    std::vector<Fields> blocks;
    Fields common;
    bool inside = false;
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
        const std::pair<absl::string_view, absl::string_view> field = absl::StrSplit(line, absl::MaxSplits(':', 1));
        const absl::string_view key = absl::StripAsciiWhitespace(field.first);
        if (key.empty()) {
            inside = false;
            continue;
        }
        if (key == "processor") {
            blocks.emplace_back();
            inside = true;
        }
        (inside ? blocks.back() : common).insert_or_assign(key, absl::StripAsciiWhitespace(field.second));
    }
    return {std::move(blocks), std::move(common)};
}

}  // namespace

std::vector<iamanager::v6::CPUInfo> ParseCpuInfo(absl::string_view text) {
    const auto [blocks, common] = ParseBlocks(text);
    std::vector<Processor> processors;
    for (const Fields& block : blocks) {
        const std::string socket = Find(block, "physical id");
        const std::string model = ModelName(block, common);
        auto processor = std::ranges::find_if(
            processors, [&](const Processor& known) { return known.socket == socket && known.model == model; });
        if (processor == processors.end()) {
            processor = processors.insert(processors.end(), Processor{socket, model, {}, {}});
            processor->info.set_model_name(model);
        }
        const auto threads = processor->info.num_threads() + 1;
        processor->info.set_num_threads(threads);
        // Without core IDs every logical CPU is a core.
        const std::string core_id = Find(block, "core id");
        processor->core_ids.insert(core_id.empty() ? absl::StrCat("#", threads) : core_id);
        processor->info.set_num_cores(processor->core_ids.size());
    }
    std::vector<iamanager::v6::CPUInfo> cpus;
    for (auto& processor : processors) {
        cpus.push_back(std::move(processor.info));
    }
    return cpus;
}

}  // namespace provhub::node
