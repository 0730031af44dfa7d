// What a configuration must be beyond the types of its schema.
#ifndef PROVHUB_COMMON_CONFIG_RULES_H_
#define PROVHUB_COMMON_CONFIG_RULES_H_

#include "common/config/config.h"
#include "common/config/decoder.h"
#include "provhub/config/v1/config.pb.h"

namespace provhub::config {

// Sets what is not set and has a default.
void FillDefaults(v1::Config& config);

// Tells in `faults` what is wrong with the values, each by itself and together, in the order of the schema. A disabled
// certificate module may be anything.
void CheckRules(const v1::Config& config, NodeKind kind, Faults& faults);

}  // namespace provhub::config

#endif  // PROVHUB_COMMON_CONFIG_RULES_H_
