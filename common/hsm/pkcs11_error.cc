#include "common/hsm/pkcs11_error.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace provhub::hsm {
namespace {

constexpr absl::string_view kRvPayload = "provhub/ck-rv";

struct Name {
    CK_RV rv;
    absl::string_view name;
};

#define PROVHUB_CKR(rv) \
    Name {              \
        rv, #rv         \
    }

// clang-format off
constexpr Name kNames[] = {
    PROVHUB_CKR(CKR_CANCEL),
    PROVHUB_CKR(CKR_HOST_MEMORY),
    PROVHUB_CKR(CKR_SLOT_ID_INVALID),
    PROVHUB_CKR(CKR_GENERAL_ERROR),
    PROVHUB_CKR(CKR_FUNCTION_FAILED),
    PROVHUB_CKR(CKR_ARGUMENTS_BAD),
    PROVHUB_CKR(CKR_NO_EVENT),
    PROVHUB_CKR(CKR_NEED_TO_CREATE_THREADS),
    PROVHUB_CKR(CKR_CANT_LOCK),
    PROVHUB_CKR(CKR_ATTRIBUTE_READ_ONLY),
    PROVHUB_CKR(CKR_ATTRIBUTE_SENSITIVE),
    PROVHUB_CKR(CKR_ATTRIBUTE_TYPE_INVALID),
    PROVHUB_CKR(CKR_ATTRIBUTE_VALUE_INVALID),
    PROVHUB_CKR(CKR_ACTION_PROHIBITED),
    PROVHUB_CKR(CKR_DATA_INVALID),
    PROVHUB_CKR(CKR_DATA_LEN_RANGE),
    PROVHUB_CKR(CKR_DEVICE_ERROR),
    PROVHUB_CKR(CKR_DEVICE_MEMORY),
    PROVHUB_CKR(CKR_DEVICE_REMOVED),
    PROVHUB_CKR(CKR_ENCRYPTED_DATA_INVALID),
    PROVHUB_CKR(CKR_ENCRYPTED_DATA_LEN_RANGE),
    PROVHUB_CKR(CKR_FUNCTION_CANCELED),
    PROVHUB_CKR(CKR_FUNCTION_NOT_PARALLEL),
    PROVHUB_CKR(CKR_FUNCTION_NOT_SUPPORTED),
    PROVHUB_CKR(CKR_KEY_HANDLE_INVALID),
    PROVHUB_CKR(CKR_KEY_SIZE_RANGE),
    PROVHUB_CKR(CKR_KEY_TYPE_INCONSISTENT),
    PROVHUB_CKR(CKR_KEY_NOT_NEEDED),
    PROVHUB_CKR(CKR_KEY_CHANGED),
    PROVHUB_CKR(CKR_KEY_NEEDED),
    PROVHUB_CKR(CKR_KEY_INDIGESTIBLE),
    PROVHUB_CKR(CKR_KEY_FUNCTION_NOT_PERMITTED),
    PROVHUB_CKR(CKR_KEY_NOT_WRAPPABLE),
    PROVHUB_CKR(CKR_KEY_UNEXTRACTABLE),
    PROVHUB_CKR(CKR_MECHANISM_INVALID),
    PROVHUB_CKR(CKR_MECHANISM_PARAM_INVALID),
    PROVHUB_CKR(CKR_OBJECT_HANDLE_INVALID),
    PROVHUB_CKR(CKR_OPERATION_ACTIVE),
    PROVHUB_CKR(CKR_OPERATION_NOT_INITIALIZED),
    PROVHUB_CKR(CKR_PIN_INCORRECT),
    PROVHUB_CKR(CKR_PIN_INVALID),
    PROVHUB_CKR(CKR_PIN_LEN_RANGE),
    PROVHUB_CKR(CKR_PIN_EXPIRED),
    PROVHUB_CKR(CKR_PIN_LOCKED),
    PROVHUB_CKR(CKR_SESSION_CLOSED),
    PROVHUB_CKR(CKR_SESSION_COUNT),
    PROVHUB_CKR(CKR_SESSION_HANDLE_INVALID),
    PROVHUB_CKR(CKR_SESSION_PARALLEL_NOT_SUPPORTED),
    PROVHUB_CKR(CKR_SESSION_READ_ONLY),
    PROVHUB_CKR(CKR_SESSION_EXISTS),
    PROVHUB_CKR(CKR_SESSION_READ_ONLY_EXISTS),
    PROVHUB_CKR(CKR_SESSION_READ_WRITE_SO_EXISTS),
    PROVHUB_CKR(CKR_SIGNATURE_INVALID),
    PROVHUB_CKR(CKR_SIGNATURE_LEN_RANGE),
    PROVHUB_CKR(CKR_TEMPLATE_INCOMPLETE),
    PROVHUB_CKR(CKR_TEMPLATE_INCONSISTENT),
    PROVHUB_CKR(CKR_TOKEN_NOT_PRESENT),
    PROVHUB_CKR(CKR_TOKEN_NOT_RECOGNIZED),
    PROVHUB_CKR(CKR_TOKEN_WRITE_PROTECTED),
    PROVHUB_CKR(CKR_UNWRAPPING_KEY_SIZE_RANGE),
    PROVHUB_CKR(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT),
    PROVHUB_CKR(CKR_USER_ALREADY_LOGGED_IN),
    PROVHUB_CKR(CKR_USER_NOT_LOGGED_IN),
    PROVHUB_CKR(CKR_USER_PIN_NOT_INITIALIZED),
    PROVHUB_CKR(CKR_USER_TYPE_INVALID),
    PROVHUB_CKR(CKR_USER_ANOTHER_ALREADY_LOGGED_IN),
    PROVHUB_CKR(CKR_USER_TOO_MANY_TYPES),
    PROVHUB_CKR(CKR_WRAPPED_KEY_INVALID),
    PROVHUB_CKR(CKR_WRAPPED_KEY_LEN_RANGE),
    PROVHUB_CKR(CKR_WRAPPING_KEY_HANDLE_INVALID),
    PROVHUB_CKR(CKR_WRAPPING_KEY_SIZE_RANGE),
    PROVHUB_CKR(CKR_WRAPPING_KEY_TYPE_INCONSISTENT),
    PROVHUB_CKR(CKR_RANDOM_SEED_NOT_SUPPORTED),
    PROVHUB_CKR(CKR_RANDOM_NO_RNG),
    PROVHUB_CKR(CKR_DOMAIN_PARAMS_INVALID),
    PROVHUB_CKR(CKR_CURVE_NOT_SUPPORTED),
    PROVHUB_CKR(CKR_BUFFER_TOO_SMALL),
    PROVHUB_CKR(CKR_SAVED_STATE_INVALID),
    PROVHUB_CKR(CKR_INFORMATION_SENSITIVE),
    PROVHUB_CKR(CKR_STATE_UNSAVEABLE),
    PROVHUB_CKR(CKR_CRYPTOKI_NOT_INITIALIZED),
    PROVHUB_CKR(CKR_CRYPTOKI_ALREADY_INITIALIZED),
    PROVHUB_CKR(CKR_MUTEX_BAD),
    PROVHUB_CKR(CKR_MUTEX_NOT_LOCKED),
    PROVHUB_CKR(CKR_NEW_PIN_MODE),
    PROVHUB_CKR(CKR_NEXT_OTP),
    PROVHUB_CKR(CKR_EXCEEDED_MAX_ITERATIONS),
    PROVHUB_CKR(CKR_FIPS_SELF_TEST_FAILED),
    PROVHUB_CKR(CKR_LIBRARY_LOAD_FAILED),
    PROVHUB_CKR(CKR_PIN_TOO_WEAK),
    PROVHUB_CKR(CKR_PUBLIC_KEY_INVALID),
    PROVHUB_CKR(CKR_FUNCTION_REJECTED),
};
// clang-format on

#undef PROVHUB_CKR

struct Code {
    CK_RV rv;
    absl::StatusCode code;
};

// Everything else is Internal.
constexpr Code kCodes[] = {
    {CKR_PIN_INCORRECT, absl::StatusCode::kPermissionDenied},
    {CKR_PIN_LOCKED, absl::StatusCode::kPermissionDenied},
    {CKR_PIN_EXPIRED, absl::StatusCode::kPermissionDenied},
    {CKR_PIN_LEN_RANGE, absl::StatusCode::kInvalidArgument},
    {CKR_PIN_INVALID, absl::StatusCode::kInvalidArgument},
    {CKR_DEVICE_MEMORY, absl::StatusCode::kResourceExhausted},
    {CKR_HOST_MEMORY, absl::StatusCode::kResourceExhausted},
    {CKR_SESSION_COUNT, absl::StatusCode::kResourceExhausted},
    {CKR_DEVICE_ERROR, absl::StatusCode::kUnavailable},
    {CKR_DEVICE_REMOVED, absl::StatusCode::kUnavailable},
    {CKR_TOKEN_NOT_PRESENT, absl::StatusCode::kUnavailable},
    {CKR_TOKEN_NOT_RECOGNIZED, absl::StatusCode::kUnavailable},
    {CKR_SLOT_ID_INVALID, absl::StatusCode::kUnavailable},
    {CKR_CRYPTOKI_NOT_INITIALIZED, absl::StatusCode::kUnavailable},
    {CKR_USER_NOT_LOGGED_IN, absl::StatusCode::kFailedPrecondition},
    {CKR_USER_PIN_NOT_INITIALIZED, absl::StatusCode::kFailedPrecondition},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, absl::StatusCode::kFailedPrecondition},
    {CKR_SESSION_HANDLE_INVALID, absl::StatusCode::kFailedPrecondition},
    {CKR_SESSION_CLOSED, absl::StatusCode::kFailedPrecondition},
    {CKR_SESSION_EXISTS, absl::StatusCode::kFailedPrecondition},
    {CKR_TOKEN_WRITE_PROTECTED, absl::StatusCode::kFailedPrecondition},
};

}  // namespace

std::string RvName(CK_RV rv) {
    const auto* found = std::ranges::find(kNames, rv, &Name::rv);
    return found == std::end(kNames) ? absl::StrCat("CKR 0x", absl::Hex(rv)) : std::string(found->name);
}

absl::Status Pkcs11Status(absl::string_view token, absl::string_view function, CK_RV rv) {
    if (rv == CKR_OK) {
        return absl::OkStatus();
    }
    const auto* found = std::ranges::find(kCodes, rv, &Code::rv);
    const absl::StatusCode code = found == std::end(kCodes) ? absl::StatusCode::kInternal : found->code;
    absl::Status status(code, absl::StrCat(token, ": ", function, ": ", RvName(rv)));
    status.SetPayload(kRvPayload, absl::Cord(absl::StrCat(rv)));
    return status;
}

std::optional<CK_RV> RvOf(const absl::Status& status) {
    const auto payload = status.GetPayload(kRvPayload);
    CK_RV rv = CKR_OK;
    if (!payload || !absl::SimpleAtoi(std::string(*payload), &rv)) {
        return std::nullopt;
    }
    return rv;
}

bool IsOneOf(const absl::Status& status, std::initializer_list<CK_RV> values) {
    const auto rv = RvOf(status);
    return rv && std::ranges::find(values, *rv) != values.end();
}

bool IsLoginLost(const absl::Status& status) {
    return IsOneOf(status, {CKR_USER_NOT_LOGGED_IN, CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED});
}

}  // namespace provhub::hsm
