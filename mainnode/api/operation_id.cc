#include "mainnode/api/operation_id.h"

#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"

namespace provhub::api {

std::string NewOperationId() {
    thread_local absl::BitGen generator;
    return absl::StrCat(absl::Hex(absl::Uniform<std::uint64_t>(generator), absl::kZeroPad16));
}

}  // namespace provhub::api
