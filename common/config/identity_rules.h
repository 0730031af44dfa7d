// What the configuration says about who may do what, and which certificate belongs to which node.
#ifndef PROVHUB_COMMON_CONFIG_IDENTITY_RULES_H_
#define PROVHUB_COMMON_CONFIG_IDENTITY_RULES_H_

#include "common/config/decoder.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::config {

// As CheckRules, for these parts: a rule that could never match, or would match more than it says, is a fault.
void CheckAuthorization(const v1::Authorization& authorization, Faults& faults);
void CheckNodeIdentity(const v1::NodeIdentity& identity, Faults& faults);

}  // namespace provhub::config

#endif  // PROVHUB_COMMON_CONFIG_IDENTITY_RULES_H_
