// Join tokens, as tables for people and as JSON for programs.
#ifndef PROVHUB_TOOLS_PROVCTL_JOIN_TOKEN_REPORT_H_
#define PROVHUB_TOOLS_PROVCTL_JOIN_TOKEN_REPORT_H_

#include <string>
#include <vector>

#include "provhub/v1/join_tokens.pb.h"

namespace provhub::provctl {

std::string JoinTokensTable(const std::vector<provhub::v1::JoinToken>& tokens);
// {"tokens": [...]}, without an end of line.
std::string JoinTokensJson(const std::vector<provhub::v1::JoinToken>& tokens);

// One line about a new token, without the token itself.
std::string JoinTokenLine(const provhub::v1::JoinToken& token);
// An element of the array above, with "token".
std::string CreatedJoinTokenJson(const provhub::v1::CreateJoinTokenResponse& created);

}  // namespace provhub::provctl

#endif  // PROVHUB_TOOLS_PROVCTL_JOIN_TOKEN_REPORT_H_
