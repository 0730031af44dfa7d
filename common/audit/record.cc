#include "common/audit/record.h"

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/sha256.h"

namespace provhub::audit {
namespace {

constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxCaller = 512;
constexpr std::size_t kMaxMessage = 1024;

constexpr absl::string_view kSeq = "{\"seq\":";
constexpr absl::string_view kPrev = ",\"prev\":\"";
constexpr absl::string_view kHash = "\",\"hash\":\"";
constexpr absl::string_view kEnd = "\"}";
constexpr std::size_t kHexBytes = 64;

void AppendText(std::string& line, absl::string_view name, const std::string& text, std::size_t limit) {
    absl::StrAppend(&line, ",\"", name, "\":",
                    nlohmann::json(text.substr(0, limit))
                        .dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace));
}

// Takes `part` off the front of `text`.
bool Take(absl::string_view& text, absl::string_view part) {
    if (!absl::StartsWith(text, part)) {
        return false;
    }
    text.remove_prefix(part.size());
    return true;
}

std::string TakeHex(absl::string_view& text) {
    const absl::string_view hex = text.substr(0, kHexBytes);
    text.remove_prefix(hex.size());
    return std::string(hex);
}

}  // namespace

std::string FormatRecord(const Event& event, absl::Time time, Link& link) {
    ++link.seq;
    std::string line = absl::StrCat(kSeq, link.seq, ",\"time\":\"",
                                    absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone()), "\"");
    AppendText(line, "event", event.event, kMaxName);
    AppendText(line, "operation_id", event.operation_id, kMaxName);
    AppendText(line, "caller", event.caller, kMaxCaller);
    AppendText(line, "method", event.method, kMaxName);
    AppendText(line, "node", event.node, kMaxName);
    AppendText(line, "result", event.result, kMaxName);
    AppendText(line, "message", event.message, kMaxMessage);
    absl::StrAppend(&line, ",\"duration_ms\":");
    if (event.duration.has_value()) {
        absl::StrAppend(&line, absl::ToInt64Milliseconds(*event.duration));
    } else {
        absl::StrAppend(&line, "null");
    }
    absl::StrAppend(&line, kPrev, link.hash, "\"");
    link.hash = crypto::Sha256Hex(line);
    absl::StrAppend(&line, kHash.substr(1), link.hash, kEnd, "\n");
    return line;
}

absl::StatusOr<ChainedLine> ParseRecord(absl::string_view line) {
    constexpr std::size_t kChainBytes = kPrev.size() + kHexBytes + kHash.size() + kHexBytes + kEnd.size();
    const auto malformed = absl::InvalidArgumentError("it is no record");
    if (line.size() < kSeq.size() + kChainBytes || line.size() > kMaxRecordBytes) {
        return malformed;
    }
    ChainedLine parsed;
    absl::string_view head = line;
    absl::string_view chain = line.substr(line.size() - kChainBytes);
    const bool has_seq = Take(head, kSeq) && absl::SimpleAtoi(head.substr(0, head.find(',')), &parsed.link.seq);
    if (!has_seq || !Take(chain, kPrev)) {
        return malformed;
    }
    parsed.prev = TakeHex(chain);
    if (!Take(chain, kHash)) {
        return malformed;
    }
    parsed.link.hash = TakeHex(chain);
    if (chain != kEnd) {
        return malformed;
    }
    const std::size_t hashed = line.size() - (kHash.size() - 1) - kHexBytes - kEnd.size();
    if (crypto::Sha256Hex(line.substr(0, hashed)) != parsed.link.hash) {
        return absl::DataLossError("it was changed: it is not what its hash was made of");
    }
    return parsed;
}

}  // namespace provhub::audit
