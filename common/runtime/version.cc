#include "common/runtime/version.h"

namespace provhub::runtime {

absl::string_view Version() {
    return PROVHUB_VERSION;
}

}  // namespace provhub::runtime
