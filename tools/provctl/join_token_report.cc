#include "tools/provctl/join_token_report.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tools/provctl/report.h"
#include "tools/provctl/report_words.h"

namespace provhub::provctl {
namespace {

absl::Time ToTime(const google::protobuf::Timestamp& time) {
    return absl::FromUnixSeconds(time.seconds());
}

std::string ForPeople(bool has, const google::protobuf::Timestamp& time) {
    return has ? TimeForPeople(ToTime(time)) : kAbsent;
}

Json ForPrograms(bool has, const google::protobuf::Timestamp& time) {
    return has ? TimeForPrograms(ToTime(time)) : Json(nullptr);
}

Json ToJson(const provhub::v1::JoinToken& token) {
    return {{"id", token.id()},
            {"nodeId", OrNull(token.node_id())},
            {"created", ForPrograms(token.has_created(), token.created())},
            {"expires", ForPrograms(token.has_expires(), token.expires())},
            {"usedBy", OrNull(token.used_by())},
            {"used", ForPrograms(token.has_used(), token.used())}};
}

}  // namespace

std::string JoinTokensTable(const std::vector<provhub::v1::JoinToken>& tokens) {
    std::vector<std::vector<std::string>> rows = {{"ID", "NODE", "CREATED", "EXPIRES", "USED BY", "USED"}};
    for (const auto& token : tokens) {
        rows.push_back({token.id(), token.node_id().empty() ? "any" : token.node_id(),
                        ForPeople(token.has_created(), token.created()),
                        ForPeople(token.has_expires(), token.expires()), OrDash(token.used_by()),
                        ForPeople(token.has_used(), token.used())});
    }
    return FormatTable(rows);
}

std::string JoinTokensJson(const std::vector<provhub::v1::JoinToken>& tokens) {
    Json array = Json::array();
    for (const auto& token : tokens) {
        array.push_back(ToJson(token));
    }
    return Dump({{"tokens", std::move(array)}});
}

std::string JoinTokenLine(const provhub::v1::JoinToken& token) {
    return absl::StrCat("join token ", token.id(), " for ",
                        token.node_id().empty() ? "any one node" : absl::StrCat("node ", token.node_id()), ", until ",
                        ForPeople(token.has_expires(), token.expires()), "; it is shown this once");
}

std::string CreatedJoinTokenJson(const provhub::v1::CreateJoinTokenResponse& created) {
    Json json = ToJson(created.info());
    json["token"] = created.token();
    return Dump(json);
}

}  // namespace provhub::provctl
