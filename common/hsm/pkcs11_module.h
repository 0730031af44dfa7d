// A PKCS #11 library in this process.
#ifndef PROVHUB_COMMON_HSM_PKCS11_MODULE_H_
#define PROVHUB_COMMON_HSM_PKCS11_MODULE_H_

#include <p11-kit/pkcs11.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace provhub::hsm {

// One token as C_GetTokenInfo describes it.
struct TokenInSlot {
    CK_SLOT_ID slot;
    CK_TOKEN_INFO info;

    bool initialised() const { return (info.flags & CKF_TOKEN_INITIALIZED) != 0; }
    bool user_pin_set() const { return (info.flags & CKF_USER_PIN_INITIALIZED) != 0; }
    std::string label() const;
    std::string serial() const;
};

// Text of a field padded with blanks.
template <std::size_t Size>
std::string FieldText(const CK_UTF8CHAR (&field)[Size]) {
    absl::string_view text(reinterpret_cast<const char*>(field), Size);
    const std::size_t last = text.find_last_not_of(absl::string_view(" \0", 2));
    return std::string(text.substr(0, last == absl::string_view::npos ? 0 : last + 1));
}

inline std::string TokenInSlot::label() const {
    return FieldText(info.label);
}
inline std::string TokenInSlot::serial() const {
    return FieldText(info.serialNumber);
}

// A library that has been loaded and initialised. Thread-safe, as far as PKCS #11 is with CKF_OS_LOCKING_OK.
class Pkcs11Module {
 public:
    // Called once after C_Initialize with nobody else using the library; true asks for C_Finalize and C_Initialize once
    // more, because files that the library reads at its start have been changed.
    using Repair = std::function<absl::StatusOr<bool>(const Pkcs11Module&)>;

    // Loads `library`, or shares what another user in this process has loaded (then `repair` isn't called). C_Finalize
    // is called when the last user goes.
    //
    // Errors: NotFound (no such file), FailedPrecondition (can't be loaded, not a PKCS #11 library).
    static absl::StatusOr<std::shared_ptr<const Pkcs11Module>> Load(const std::string& library, const Repair& repair);

    Pkcs11Module(const Pkcs11Module&) = delete;
    Pkcs11Module& operator=(const Pkcs11Module&) = delete;

    const CK_FUNCTION_LIST& functions() const { return *functions_; }
    const std::string& path() const { return path_; }

    absl::StatusOr<std::vector<CK_SLOT_ID>> Slots() const;
    // Slots whose token can't be read (half made, broken) are left out.
    absl::StatusOr<std::vector<TokenInSlot>> Tokens() const;

 private:
    class Registry;

    Pkcs11Module(std::string path, CK_FUNCTION_LIST* functions) : path_(std::move(path)), functions_(functions) {}

    absl::Status Initialise();
    void Finalise();

    const std::string path_;
    CK_FUNCTION_LIST* const functions_;
    // False where the library was initialised by somebody else in this process.
    bool ours_ = false;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_PKCS11_MODULE_H_
