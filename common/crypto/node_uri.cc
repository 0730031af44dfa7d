#include "common/crypto/node_uri.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace provhub::crypto {

std::string NodeUri(absl::string_view prefix, absl::string_view node_id) {
    std::string uri(prefix);
    for (const char c : node_id) {
        const auto byte = static_cast<unsigned char>(c);
        if (absl::ascii_isalnum(byte) || absl::StrContains("-._~", c)) {
            uri.push_back(c);
        } else {
            absl::StrAppendFormat(&uri, "%%%02X", byte);
        }
    }
    return uri;
}

std::optional<std::string> NodeIdOfUri(absl::string_view prefix, absl::string_view uri) {
    if (!absl::ConsumePrefix(&uri, prefix) || uri.empty()) {
        return std::nullopt;
    }
    std::string node_id;
    while (!uri.empty()) {
        if (uri.front() != '%') {
            node_id.push_back(uri.front());
            uri.remove_prefix(1);
            continue;
        }
        if (uri.size() < 3 || !absl::ascii_isxdigit(static_cast<unsigned char>(uri[1])) ||
            !absl::ascii_isxdigit(static_cast<unsigned char>(uri[2]))) {
            return std::nullopt;
        }
        absl::StrAppend(&node_id, absl::HexStringToBytes(uri.substr(1, 2)));
        uri.remove_prefix(3);
    }
    return node_id;
}

}  // namespace provhub::crypto
