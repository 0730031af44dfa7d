#include "common/status/shown.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace provhub::status {

std::string Shown(absl::string_view text, std::size_t limit) {
    return absl::StrCat(absl::CHexEscape(text.substr(0, limit)), text.size() > limit ? "..." : "");
}

}  // namespace provhub::status
