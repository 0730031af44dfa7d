#include "common/crypto/openssl.h"

#include <openssl/err.h>

#include "absl/strings/str_cat.h"

namespace provhub::crypto {

absl::Status OpenSslError(absl::StatusCode code, absl::string_view what) {
    const char* data = nullptr;
    int flags = 0;
    const unsigned long error = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags);
    std::string message(what);
    if (error != 0) {
        const char* reason = ERR_reason_error_string(error);
        absl::StrAppend(&message, ": ", reason != nullptr ? reason : "unknown error of OpenSSL");
        if ((flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0') {
            absl::StrAppend(&message, " (", data, ")");
        }
    }
    ERR_clear_error();
    return absl::Status(code, message);
}

// Without a mark, which an empty queue can't have, everything is popped: the same.
OpenSslErrorsDropped::OpenSslErrorsDropped() {
    ERR_set_mark();
}

OpenSslErrorsDropped::~OpenSslErrorsDropped() {
    ERR_pop_to_mark();
}

}  // namespace provhub::crypto
