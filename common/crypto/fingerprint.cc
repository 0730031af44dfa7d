#include "common/crypto/fingerprint.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/crypto/sha256.h"

namespace provhub::crypto {
namespace {

constexpr std::size_t kDigits = 64;

}  // namespace

std::string Fingerprint(const Certificate& certificate) {
    return Sha256Hex(certificate.Der());
}

absl::StatusOr<std::string> ParseFingerprint(absl::string_view text) {
    std::string digits = absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
    digits = std::string(absl::StripPrefix(digits, "sha256:"));
    if (absl::StrContains(digits, ':')) {
        const std::vector<std::string> bytes = absl::StrSplit(digits, ':');
        const bool whole = std::all_of(bytes.begin(), bytes.end(), [](const std::string& b) { return b.size() == 2; });
        digits = whole ? absl::StrJoin(bytes, "") : "";
    }
    const auto is_digit = [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); };
    if (digits.size() != kDigits || !std::all_of(digits.begin(), digits.end(), is_digit)) {
        return absl::InvalidArgumentError(
            absl::StrCat("'", absl::CEscape(text.substr(0, 100)),
                         "' is no fingerprint: expected the SHA-256 of a certificate, 64 hexadecimal digits"));
    }
    return digits;
}

}  // namespace provhub::crypto
