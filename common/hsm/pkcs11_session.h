// One session with a token, and the attributes that objects are described with.
#ifndef PROVHUB_COMMON_HSM_PKCS11_SESSION_H_
#define PROVHUB_COMMON_HSM_PKCS11_SESSION_H_

#include <p11-kit/pkcs11.h>

#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace provhub::hsm {

// A list of attributes with their values.
class Attributes {
 public:
    Attributes& Add(CK_ATTRIBUTE_TYPE type, absl::string_view bytes);
    Attributes& AddNumber(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
    Attributes& AddBool(CK_ATTRIBUTE_TYPE type, bool value);

    CK_ATTRIBUTE* data() { return attributes_.data(); }
    CK_ULONG size() const { return attributes_.size(); }

 private:
    // Values stay where they are while others are added.
    std::deque<std::string> values_;
    std::vector<CK_ATTRIBUTE> attributes_;
};

// Calls of PKCS #11 in one session, which belongs to somebody else. One call at a time. Errors are Pkcs11Status.
class Pkcs11Session {
 public:
    Pkcs11Session(const CK_FUNCTION_LIST& functions, absl::string_view token, CK_SESSION_HANDLE handle)
        : functions_(functions), token_(token), handle_(handle) {}

    CK_SESSION_HANDLE handle() const { return handle_; }

    // CKR_USER_NOT_LOGGED_IN unless the user is logged in. Without a login a token hides its private objects rather
    // than refusing to look for them.
    absl::Status CheckUser() const;

    // All objects that match, every private one included.
    absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> Find(Attributes& wanted) const;
    // NotFound where the object has no such attribute or it can't be read.
    absl::StatusOr<std::string> Read(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const;
    absl::StatusOr<CK_ULONG> ReadNumber(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const;
    absl::Status Create(Attributes& attributes) const;
    absl::Status Destroy(CK_OBJECT_HANDLE object) const;
    absl::Status GenerateKeyPair(CK_MECHANISM_TYPE mechanism, Attributes& public_key, Attributes& private_key) const;
    absl::StatusOr<std::string> Sign(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key, absl::string_view data) const;

    absl::Status LogIn(CK_USER_TYPE user, absl::string_view pin) const;
    absl::Status LogOut() const;
    absl::Status InitUserPin(absl::string_view pin) const;
    absl::Status SetPin(absl::string_view from, absl::string_view to) const;

 private:
    absl::Status Check(absl::string_view function, CK_RV rv) const;

    const CK_FUNCTION_LIST& functions_;
    const absl::string_view token_;
    const CK_SESSION_HANDLE handle_;
};

}  // namespace provhub::hsm

#endif  // PROVHUB_COMMON_HSM_PKCS11_SESSION_H_
