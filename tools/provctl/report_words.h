// What reports have in common.
#ifndef PROVHUB_TOOLS_PROVCTL_REPORT_WORDS_H_
#define PROVHUB_TOOLS_PROVCTL_REPORT_WORDS_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/time.h"

namespace provhub::provctl {

using Json = nlohmann::ordered_json;

// In a table's cell.
inline constexpr const char* kAbsent = "-";

// Never fails: what a peer sent need not be UTF-8 where the field has bytes. `indent` -1: on one line.
std::string Dump(const Json& json, int indent = 2);

std::string OrDash(const std::string& text);
Json OrNull(const std::string& text);

// UTC, to the second.
std::string TimeForPeople(absl::Time time);
Json TimeForPrograms(absl::Time time);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_REPORT_WORDS_H_
