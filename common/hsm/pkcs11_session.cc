#include "common/hsm/pkcs11_session.h"

#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/hsm/pkcs11_error.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

constexpr CK_ULONG kFindBatch = 64;

CK_BYTE* Bytes(absl::string_view text) {
    // PKCS #11 declares what it reads as not const.
    return reinterpret_cast<CK_BYTE*>(const_cast<char*>(text.data()));
}

}  // namespace

Attributes& Attributes::Add(CK_ATTRIBUTE_TYPE type, absl::string_view bytes) {
    std::string& value = values_.emplace_back(bytes);
    attributes_.push_back(CK_ATTRIBUTE{type, value.data(), value.size()});
    return *this;
}

Attributes& Attributes::AddNumber(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
    return Add(type, absl::string_view(reinterpret_cast<const char*>(&value), sizeof(value)));
}

Attributes& Attributes::AddBool(CK_ATTRIBUTE_TYPE type, bool value) {
    const CK_BBOOL byte = value ? CK_TRUE : CK_FALSE;
    return Add(type, absl::string_view(reinterpret_cast<const char*>(&byte), sizeof(byte)));
}

absl::Status Pkcs11Session::Check(absl::string_view function, CK_RV rv) const {
    return Pkcs11Status(token_, function, rv);
}

absl::Status Pkcs11Session::CheckUser() const {
    CK_SESSION_INFO info{};
    RETURN_IF_ERROR(Check("C_GetSessionInfo", functions_.C_GetSessionInfo(handle_, &info)));
    return info.state == CKS_RW_USER_FUNCTIONS ? absl::OkStatus() : Check("C_GetSessionInfo", CKR_USER_NOT_LOGGED_IN);
}

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> Pkcs11Session::Find(Attributes& wanted) const {
    RETURN_IF_ERROR(Check("C_FindObjectsInit", functions_.C_FindObjectsInit(handle_, wanted.data(), wanted.size())));
    std::vector<CK_OBJECT_HANDLE> objects;
    std::array<CK_OBJECT_HANDLE, kFindBatch> batch{};
    CK_ULONG count = 0;
    CK_RV rv = CKR_OK;
    do {
        rv = functions_.C_FindObjects(handle_, batch.data(), batch.size(), &count);
        objects.insert(objects.end(), batch.begin(), batch.begin() + (rv == CKR_OK ? count : 0));
    } while (rv == CKR_OK && count > 0);
    functions_.C_FindObjectsFinal(handle_);
    RETURN_IF_ERROR(Check("C_FindObjects", rv));
    RETURN_IF_ERROR(CheckUser());
    return objects;
}

absl::StatusOr<std::string> Pkcs11Session::Read(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
    CK_ATTRIBUTE attribute{type, nullptr, 0};
    CK_RV rv = functions_.C_GetAttributeValue(handle_, object, &attribute, 1);
    std::string value;
    if (rv == CKR_OK && attribute.ulValueLen != CK_UNAVAILABLE_INFORMATION) {
        value.resize(attribute.ulValueLen);
        attribute.pValue = value.data();
        rv = functions_.C_GetAttributeValue(handle_, object, &attribute, 1);
    }
    const absl::Status status = Check("C_GetAttributeValue", rv);
    if (IsLoginLost(status)) {
        return status;
    }
    if (rv != CKR_OK || attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION) {
        return absl::NotFoundError(
            absl::StrCat(token_, ": C_GetAttributeValue: attribute 0x", absl::Hex(type), ": ", RvName(rv)));
    }
    value.resize(attribute.ulValueLen);
    return value;
}

absl::StatusOr<CK_ULONG> Pkcs11Session::ReadNumber(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
    ASSIGN_OR_RETURN(const std::string bytes, Read(object, type));
    CK_ULONG value = 0;
    if (bytes.size() != sizeof(value)) {
        return absl::NotFoundError(absl::StrCat(token_, ": attribute 0x", absl::Hex(type), " is not a number"));
    }
    std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
}

absl::Status Pkcs11Session::Create(Attributes& attributes) const {
    CK_OBJECT_HANDLE object = 0;
    return Check("C_CreateObject", functions_.C_CreateObject(handle_, attributes.data(), attributes.size(), &object));
}

absl::Status Pkcs11Session::Destroy(CK_OBJECT_HANDLE object) const {
    return Check("C_DestroyObject", functions_.C_DestroyObject(handle_, object));
}

absl::Status Pkcs11Session::GenerateKeyPair(CK_MECHANISM_TYPE mechanism, Attributes& public_key,
                                            Attributes& private_key) const {
    CK_MECHANISM parameters{mechanism, nullptr, 0};
    CK_OBJECT_HANDLE public_object = 0;
    CK_OBJECT_HANDLE private_object = 0;
    return Check("C_GenerateKeyPair",
                 functions_.C_GenerateKeyPair(handle_, &parameters, public_key.data(), public_key.size(),
                                              private_key.data(), private_key.size(), &public_object, &private_object));
}

absl::StatusOr<std::string> Pkcs11Session::Sign(CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE key,
                                                absl::string_view data) const {
    CK_MECHANISM parameters{mechanism, nullptr, 0};
    RETURN_IF_ERROR(Check("C_SignInit", functions_.C_SignInit(handle_, &parameters, key)));
    // As long as an RSA signature of 8192 bits: no second call is needed to learn the length.
    std::string signature(1024, '\0');
    CK_ULONG size = signature.size();
    RETURN_IF_ERROR(Check("C_Sign", functions_.C_Sign(handle_, Bytes(data), data.size(),
                                                      reinterpret_cast<CK_BYTE*>(signature.data()), &size)));
    signature.resize(size);
    return signature;
}

absl::Status Pkcs11Session::LogIn(CK_USER_TYPE user, absl::string_view pin) const {
    return Check(user == CKU_SO ? "C_Login as SO" : "C_Login",
                 functions_.C_Login(handle_, user, Bytes(pin), pin.size()));
}

absl::Status Pkcs11Session::LogOut() const {
    return Check("C_Logout", functions_.C_Logout(handle_));
}

absl::Status Pkcs11Session::InitUserPin(absl::string_view pin) const {
    return Check("C_InitPIN", functions_.C_InitPIN(handle_, Bytes(pin), pin.size()));
}

absl::Status Pkcs11Session::SetPin(absl::string_view from, absl::string_view to) const {
    return Check("C_SetPIN", functions_.C_SetPIN(handle_, Bytes(from), from.size(), Bytes(to), to.size()));
}

}  // namespace provhub::hsm
