#include "tools/provctl/audit_report.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace provhub::provctl {

std::string AuditTable(const audit::Verification& verification) {
    const auto& broken = verification.broken;
    std::string text = broken.has_value()
                           ? absl::StrCat("BROKEN at line ", broken->line, " of ", broken->file, ": ", broken->reason)
                           : "intact";
    absl::StrAppend(&text, "\nfiles    ", verification.files, "\nrecords  ", verification.records, ", ",
                    verification.first_seq, " to ", verification.last.seq, "\nlast     ", verification.last.hash);
    if (verification.incomplete_bytes > 0) {
        absl::StrAppend(&text, "\nunended  ", verification.incomplete_bytes,
                        " bytes at the end, being written or left by a power cut");
    }
    return text;
}

std::string AuditJson(const audit::Verification& verification) {
    nlohmann::ordered_json json = {{"intact", !verification.broken.has_value()},
                                   {"files", verification.files},
                                   {"records", verification.records},
                                   {"firstSeq", verification.first_seq},
                                   {"lastSeq", verification.last.seq},
                                   {"lastHash", verification.last.hash},
                                   {"incompleteBytes", verification.incomplete_bytes}};
    if (const auto& broken = verification.broken; broken.has_value()) {
        json["break"] = {{"file", broken->file}, {"line", broken->line}, {"reason", broken->reason}};
    }
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace provhub::provctl
