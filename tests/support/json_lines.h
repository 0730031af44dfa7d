#ifndef PROVHUB_TESTS_SUPPORT_JSON_LINES_H_
#define PROVHUB_TESTS_SUPPORT_JSON_LINES_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace provhub::test {

// Discarded values stand for lines that are no JSON.
inline std::vector<nlohmann::json> JsonLines(const std::string& content) {
    std::vector<nlohmann::json> lines;
    for (const absl::string_view line : absl::StrSplit(content, '\n', absl::SkipEmpty())) {
        lines.push_back(nlohmann::json::parse(std::string(line), nullptr, /*allow_exceptions=*/false));
    }
    return lines;
}

}  // namespace provhub::test

#endif  // PROVHUB_TESTS_SUPPORT_JSON_LINES_H_
