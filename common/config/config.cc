#include "common/config/config.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/config/decoder.h"
#include "common/config/rules.h"
#include "common/runtime/atomic_file.h"

namespace provhub::config {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

// The parser's message about a key that is there twice names it after these words, in quotes.
constexpr absl::string_view kRepeatedKey = "Repeated map key: ";

// Otherwise the parser's message is what it expected, the text around the fault, and a line that ends in '^' under the
// fault.
std::string OneLine(absl::string_view message, absl::string_view text) {
    if (const std::size_t repeated = message.find(kRepeatedKey); repeated != absl::string_view::npos) {
        const absl::string_view key = message.substr(repeated + kRepeatedKey.size());
        return absl::StrCat("key ", key.substr(0, key.rfind(" is already set")), " is given twice");
    }
    const std::size_t first_end = message.find('\n');
    const std::size_t last_begin = message.rfind('\n');
    const absl::string_view what = message.substr(0, first_end);
    if (first_end == last_begin || !absl::EndsWith(message, "^")) {
        return absl::StrCat("not valid JSON: ", what);
    }
    const absl::string_view around = message.substr(first_end + 1, last_begin - first_end - 1);
    const std::size_t position = text.find(around);
    if (position == absl::string_view::npos || text.find(around, position + 1) != absl::string_view::npos) {
        return absl::StrCat("not valid JSON: ", what);
    }
    const std::size_t caret = message.size() - last_begin - 2;
    const auto before = text.substr(0, position + caret);
    return absl::StrCat("line ", std::ranges::count(before, '\n') + 1, ": not valid JSON: ", what);
}

absl::StatusOr<google::protobuf::Struct> ParseObject(const std::string& text) {
    if (absl::StrContains(text, '\0')) {
        return absl::InvalidArgumentError("expected JSON, got binary data");
    }
    google::protobuf::Value value;
    const auto status = google::protobuf::util::JsonStringToMessage(text, &value);
    if (!status.ok()) {
        const auto message = status.message();
        return absl::InvalidArgumentError(OneLine(absl::string_view(message.data(), message.size()), text));
    }
    if (!value.has_struct_value()) {
        return absl::InvalidArgumentError("expected a JSON object");
    }
    return std::move(*value.mutable_struct_value());
}

bool IsInside(absl::string_view path, absl::string_view outer) {
    return absl::ConsumePrefix(&path, outer) && (path.empty() || path.front() == '.' || path.front() == '[');
}

// The rules see a value that has the wrong type, or a misspelt key, as a missing one: that is known already.
void AddNews(const Faults& broken_rules, Faults& faults) {
    const Faults known = faults;
    for (const Fault& broken : broken_rules) {
        const auto same_place = [&](const Fault& fault) {
            return IsInside(broken.path, fault.path) || IsInside(fault.path, broken.path);
        };
        if (std::ranges::none_of(known, same_place)) {
            faults.push_back(broken);
        }
    }
}

absl::Status FileFault(const absl::Status& status) {
    const bool as_it_is = absl::IsNotFound(status) || absl::IsPermissionDenied(status);
    return as_it_is ? status : absl::InvalidArgumentError(status.message());
}

}  // namespace

LoadResult LoadWithEveryFault(const std::string& path, NodeKind kind) {
    LoadResult result;
    const auto text = runtime::ReadSmallFile(path, kMaxFileBytes);
    if (!text.ok()) {
        result.faults.push_back(FileFault(text.status()));
        return result;
    }
    Faults faults;
    const auto object = ParseObject(*text);
    if (object.ok()) {
        Decode(*object, result.config, faults);
        FillDefaults(result.config);
        Faults broken_rules;
        CheckRules(result.config, kind, broken_rules);
        AddNews(broken_rules, faults);
    } else {
        faults.push_back({"", std::string(object.status().message())});
    }
    for (const Fault& fault : faults) {
        result.faults.push_back(absl::InvalidArgumentError(absl::StrCat(path, ": ", fault.message)));
    }
    return result;
}

absl::StatusOr<v1::Config> Load(const std::string& path, NodeKind kind) {
    LoadResult result = LoadWithEveryFault(path, kind);
    if (!result.faults.empty()) {
        return result.faults.front();
    }
    return std::move(result.config);
}

bool ProvisionsInPlaintext(const v1::Config& config) {
    return config.provisioning_transport() == "plaintext";
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
    return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace provhub::config
