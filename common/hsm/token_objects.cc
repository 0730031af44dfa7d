#include "common/hsm/token_objects.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/crypto/certificate.h"
#include "common/status/macros.h"

namespace provhub::hsm {
namespace {

using crypto::Certificate;
using crypto::Deleter;
using crypto::EvpPkeyCtxPtr;
using crypto::EvpPkeyPtr;
using ObjectPtr = std::unique_ptr<ASN1_OBJECT, Deleter<ASN1_OBJECT_free>>;
using OctetStringPtr = std::unique_ptr<ASN1_OCTET_STRING, Deleter<ASN1_OCTET_STRING_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using ParamBuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;

constexpr CK_ULONG kRsaBits = 2048;
constexpr absl::string_view kRsaExponent("\x01\x00\x01", 3);
// secp384r1 as a named curve (RFC 5480 §2.1.1.1).
constexpr absl::string_view kP384("\x06\x05\x2b\x81\x04\x00\x22", 7);
// CKA_CERTIFICATE_CATEGORY (PKCS #11 v2.40 §4.6.2).
constexpr CK_ULONG kCategoryTokenUser = 1;
constexpr CK_ULONG kCategoryAuthority = 2;
constexpr int kDestroyRounds = 3;

const unsigned char* Bytes(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

BignumPtr ToNumber(const std::string& bytes) {
    return BignumPtr(BN_bin2bn(Bytes(bytes), static_cast<int>(bytes.size()), nullptr));
}

absl::StatusOr<EvpPkeyPtr> FromParams(const char* type, OSSL_PARAM_BLD* builder) {
    const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder));
    const EvpPkeyCtxPtr context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, "the public key in the token can't be used");
    }
    return EvpPkeyPtr(key);
}

// The point in a CKA_EC_POINT: a DER OCTET STRING, which some modules leave out.
std::string UnwrapPoint(const std::string& value) {
    const unsigned char* data = Bytes(value);
    const unsigned char* const end = data + value.size();
    const OctetStringPtr octets(d2i_ASN1_OCTET_STRING(nullptr, &data, static_cast<long>(value.size())));
    if (octets == nullptr || data != end) {
        return value;
    }
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(octets.get())),
                       static_cast<std::size_t>(ASN1_STRING_length(octets.get())));
}

// What every object of a class has.
CK_ATTRIBUTE_TYPE EssentialAttribute(CK_OBJECT_CLASS object_class, CK_KEY_TYPE key_type) {
    if (object_class == CKO_CERTIFICATE) {
        return CKA_VALUE;
    }
    if (key_type == CKK_RSA) {
        return CKA_MODULUS;
    }
    return object_class == CKO_PUBLIC_KEY ? CKA_EC_POINT : CKA_EC_PARAMS;
}

// DER of the certificate's serial number.
std::string SerialDer(const Certificate& certificate) {
    unsigned char* der = nullptr;
    const int size = i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate.get()), &der);
    std::string result(reinterpret_cast<const char*>(der), static_cast<std::size_t>(std::max(size, 0)));
    OPENSSL_free(der);
    return result;
}

}  // namespace

absl::Status TokenObjects::Error(absl::StatusCode code, absl::string_view what) const {
    return absl::Status(code, absl::StrCat(token_, ": ", what));
}

absl::Status TokenObjects::CheckId(const ObjectId& id) const {
    return id.empty() ? Error(absl::StatusCode::kInvalidArgument, "the CKA_ID is empty") : absl::OkStatus();
}

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> TokenObjects::FindAll() const {
    Attributes wanted;
    wanted.AddBool(CKA_TOKEN, true);
    return session_.Find(wanted);
}

absl::StatusOr<std::vector<CK_OBJECT_HANDLE>> TokenObjects::FindById(const ObjectId& id) const {
    Attributes wanted;
    wanted.AddBool(CKA_TOKEN, true).Add(CKA_ID, id);
    return session_.Find(wanted);
}

absl::StatusOr<CK_OBJECT_HANDLE> TokenObjects::Find(const ObjectId& id, CK_OBJECT_CLASS object_class) const {
    RETURN_IF_ERROR(CheckId(id));
    Attributes wanted;
    wanted.AddBool(CKA_TOKEN, true).AddNumber(CKA_CLASS, object_class).Add(CKA_ID, id);
    ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> found, session_.Find(wanted));
    if (found.empty()) {
        const absl::string_view what = object_class == CKO_CERTIFICATE ? "certificate" : "key pair";
        return Error(absl::StatusCode::kNotFound,
                     absl::StrCat("no ", what, " has the CKA_ID ", absl::BytesToHexString(id)));
    }
    return found.front();
}

absl::Status TokenObjects::GenerateKeyPair(const ObjectId& id, absl::string_view label,
                                           crypto::KeyAlgorithm algorithm) const {
    RETURN_IF_ERROR(CheckId(id));
    ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> taken, FindById(id));
    if (!taken.empty()) {
        return Error(absl::StatusCode::kAlreadyExists,
                     absl::StrCat("the CKA_ID ", absl::BytesToHexString(id), " is taken"));
    }
    const bool rsa = algorithm == crypto::KeyAlgorithm::kRsa2048;
    Attributes public_key;
    public_key.AddBool(CKA_TOKEN, true).AddBool(CKA_PRIVATE, false).AddBool(CKA_VERIFY, true);
    public_key.Add(CKA_ID, id).Add(CKA_LABEL, label);
    Attributes private_key;
    private_key.AddBool(CKA_TOKEN, true).AddBool(CKA_PRIVATE, true).AddBool(CKA_SIGN, true);
    private_key.AddBool(CKA_SENSITIVE, true).AddBool(CKA_EXTRACTABLE, false);
    private_key.Add(CKA_ID, id).Add(CKA_LABEL, label);
    // Said outright: modules differ in what they allow by default.
    public_key.AddBool(CKA_WRAP, false).AddBool(CKA_ENCRYPT, rsa);
    private_key.AddBool(CKA_UNWRAP, false).AddBool(CKA_DECRYPT, rsa);
    if (rsa) {
        public_key.AddNumber(CKA_MODULUS_BITS, kRsaBits).Add(CKA_PUBLIC_EXPONENT, kRsaExponent);
    } else {
        public_key.Add(CKA_EC_PARAMS, kP384);
    }
    return session_.GenerateKeyPair(rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, public_key, private_key);
}

absl::Status TokenObjects::StoreCertificate(const ObjectId& id, absl::string_view label, absl::string_view der,
                                            bool authority) const {
    ASSIGN_OR_RETURN(const Certificate certificate, Certificate::FromDer(der));
    const auto existing = Find(id, CKO_CERTIFICATE);
    if (existing.ok()) {
        return Error(absl::StatusCode::kAlreadyExists,
                     absl::StrCat("a certificate has the CKA_ID ", absl::BytesToHexString(id)));
    }
    if (!absl::IsNotFound(existing.status())) {
        return existing.status();
    }
    Attributes object;
    object.AddNumber(CKA_CLASS, CKO_CERTIFICATE).AddNumber(CKA_CERTIFICATE_TYPE, CKC_X_509);
    object.AddBool(CKA_TOKEN, true).AddBool(CKA_PRIVATE, false);
    object.AddNumber(CKA_CERTIFICATE_CATEGORY, authority ? kCategoryAuthority : kCategoryTokenUser);
    object.Add(CKA_ID, id).Add(CKA_LABEL, label);
    object.Add(CKA_SUBJECT, certificate.SubjectDer()).Add(CKA_ISSUER, certificate.IssuerDer());
    object.Add(CKA_SERIAL_NUMBER, SerialDer(certificate)).Add(CKA_VALUE, der);
    return session_.Create(object);
}

absl::StatusOr<std::string> TokenObjects::ReadCertificate(const ObjectId& id) const {
    ASSIGN_OR_RETURN(const CK_OBJECT_HANDLE object, Find(id, CKO_CERTIFICATE));
    return session_.Read(object, CKA_VALUE);
}

absl::Status TokenObjects::Destroy(const ObjectId& id) const {
    RETURN_IF_ERROR(CheckId(id));
    ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> objects, FindById(id));
    for (const CK_OBJECT_HANDLE object : objects) {
        RETURN_IF_ERROR(session_.Destroy(object));
    }
    return absl::OkStatus();
}

absl::Status TokenObjects::DestroyUnnamed() const {
    ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> objects, FindAll());
    for (const CK_OBJECT_HANDLE object : objects) {
        ASSIGN_OR_RETURN(const StoredObject described, Describe(object));
        if (described.id.empty()) {
            RETURN_IF_ERROR(session_.Destroy(object));
        }
    }
    return absl::OkStatus();
}

absl::Status TokenObjects::DestroyCertificate(const ObjectId& id) const {
    ASSIGN_OR_RETURN(const CK_OBJECT_HANDLE object, Find(id, CKO_CERTIFICATE));
    return session_.Destroy(object);
}

absl::Status TokenObjects::DestroyAll() const {
    // More than once: a module may limit how many objects one search finds.
    for (int round = 0; round < kDestroyRounds; ++round) {
        ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> objects, FindAll());
        if (objects.empty()) {
            return absl::OkStatus();
        }
        for (const CK_OBJECT_HANDLE object : objects) {
            RETURN_IF_ERROR(session_.Destroy(object));
        }
    }
    return Error(absl::StatusCode::kInternal, "objects are left after everything was destroyed");
}

absl::StatusOr<bool> TokenObjects::IsReadable(CK_OBJECT_HANDLE object, CK_OBJECT_CLASS object_class) const {
    CK_KEY_TYPE key_type = 0;
    if (object_class != CKO_CERTIFICATE) {
        const auto type = session_.ReadNumber(object, CKA_KEY_TYPE);
        if (!type.ok()) {
            return absl::IsNotFound(type.status()) ? absl::StatusOr<bool>(false) : type.status();
        }
        key_type = *type;
    }
    if (object_class != CKO_CERTIFICATE && key_type != CKK_RSA && key_type != CKK_EC) {
        return true;
    }
    const auto value = session_.Read(object, EssentialAttribute(object_class, key_type));
    if (!value.ok() && !absl::IsNotFound(value.status())) {
        return value.status();
    }
    return value.ok() && !value->empty();
}

absl::StatusOr<StoredObject> TokenObjects::Describe(CK_OBJECT_HANDLE object) const {
    StoredObject described;
    const auto read = [&](CK_ATTRIBUTE_TYPE type, std::string& value) {
        const auto result = session_.Read(object, type);
        value = result.value_or(std::string());
        return result.ok() || absl::IsNotFound(result.status()) ? absl::OkStatus() : result.status();
    };
    RETURN_IF_ERROR(read(CKA_ID, described.id));
    RETURN_IF_ERROR(read(CKA_LABEL, described.label));
    const auto object_class = session_.ReadNumber(object, CKA_CLASS);
    if (!object_class.ok()) {
        described.unreadable = true;
        return absl::IsNotFound(object_class.status()) ? absl::StatusOr<StoredObject>(described)
                                                       : object_class.status();
    }
    described.has_private_key = *object_class == CKO_PRIVATE_KEY;
    described.has_public_key = *object_class == CKO_PUBLIC_KEY;
    described.has_certificate = *object_class == CKO_CERTIFICATE;
    if (described.has_private_key || described.has_public_key || described.has_certificate) {
        ASSIGN_OR_RETURN(const bool readable, IsReadable(object, *object_class));
        described.unreadable = !readable;
    }
    return described;
}

absl::StatusOr<std::vector<StoredObject>> TokenObjects::List() const {
    ASSIGN_OR_RETURN(const std::vector<CK_OBJECT_HANDLE> objects, FindAll());
    std::vector<StoredObject> list;
    for (const CK_OBJECT_HANDLE object : objects) {
        ASSIGN_OR_RETURN(StoredObject described, Describe(object));
        const auto same = described.id.empty() ? list.end() : std::ranges::find(list, described.id, &StoredObject::id);
        if (same == list.end()) {
            list.push_back(std::move(described));
            continue;
        }
        same->has_private_key |= described.has_private_key;
        same->has_public_key |= described.has_public_key;
        same->has_certificate |= described.has_certificate;
        same->unreadable |= described.unreadable;
    }
    return list;
}

absl::StatusOr<EvpPkeyPtr> TokenObjects::PublicKey(const ObjectId& id) const {
    RETURN_IF_ERROR(Find(id, CKO_PRIVATE_KEY).status());
    ASSIGN_OR_RETURN(const CK_OBJECT_HANDLE object, Find(id, CKO_PUBLIC_KEY));
    ASSIGN_OR_RETURN(const CK_KEY_TYPE type, session_.ReadNumber(object, CKA_KEY_TYPE));
    if (type == CKK_RSA) {
        return RsaPublicKey(object);
    }
    if (type == CKK_EC) {
        return EcPublicKey(object);
    }
    return Error(absl::StatusCode::kInternal, absl::StrCat("a key of type ", type, " is neither RSA nor EC"));
}

absl::StatusOr<EvpPkeyPtr> TokenObjects::RsaPublicKey(CK_OBJECT_HANDLE object) const {
    ASSIGN_OR_RETURN(const std::string modulus, session_.Read(object, CKA_MODULUS));
    ASSIGN_OR_RETURN(const std::string exponent, session_.Read(object, CKA_PUBLIC_EXPONENT));
    const BignumPtr n = ToNumber(modulus);
    const BignumPtr e = ToNumber(exponent);
    const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
    OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
    return FromParams("RSA", builder.get());
}

absl::StatusOr<EvpPkeyPtr> TokenObjects::EcPublicKey(CK_OBJECT_HANDLE object) const {
    ASSIGN_OR_RETURN(const std::string curve, session_.Read(object, CKA_EC_PARAMS));
    ASSIGN_OR_RETURN(const std::string wrapped, session_.Read(object, CKA_EC_POINT));
    const unsigned char* data = Bytes(curve);
    const ObjectPtr oid(d2i_ASN1_OBJECT(nullptr, &data, static_cast<long>(curve.size())));
    const int nid = oid == nullptr ? NID_undef : OBJ_obj2nid(oid.get());
    if (nid == NID_undef) {
        return crypto::OpenSslError(absl::StatusCode::kInternal, absl::StrCat(token_, ": the curve has no name"));
    }
    const std::string point = UnwrapPoint(wrapped);
    const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
    OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, OBJ_nid2sn(nid), 0);
    OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
    return FromParams("EC", builder.get());
}

absl::StatusOr<std::string> TokenObjects::Sign(SignScheme scheme, CK_OBJECT_HANDLE key, absl::string_view data) const {
    switch (scheme) {
        case SignScheme::kRsaPkcs1:
            return session_.Sign(CKM_RSA_PKCS, key, data);
        case SignScheme::kRsaRaw:
            return session_.Sign(CKM_RSA_X_509, key, data);
        case SignScheme::kEcdsa:
            return session_.Sign(CKM_ECDSA, key, data);
    }
    return Error(absl::StatusCode::kInternal, "no such way to sign");
}

}  // namespace provhub::hsm
