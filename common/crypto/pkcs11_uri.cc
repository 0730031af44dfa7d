#include "common/crypto/pkcs11_uri.h"

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

#include <array>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/crypto/openssl.h"
#include "common/status/macros.h"

namespace provhub::crypto {
namespace {

using UriPtr = std::unique_ptr<P11KitUri, Deleter<p11_kit_uri_free>>;

struct ObjectType {
    absl::string_view name;
    CK_OBJECT_CLASS object_class;
};

constexpr std::array kObjectTypes = {
    ObjectType{"private", CKO_PRIVATE_KEY},
    ObjectType{"public", CKO_PUBLIC_KEY},
    ObjectType{"cert", CKO_CERTIFICATE},
};

// Characters that need no escape: RFC 3986 §2.3, and `also`.
std::string Escape(absl::string_view text, absl::string_view also) {
    std::string result;
    for (const char c : text) {
        if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("-._~", c) ||
            absl::StrContains(also, c)) {
            result.push_back(c);
        } else {
            absl::StrAppendFormat(&result, "%%%02X", static_cast<unsigned char>(c));
        }
    }
    return result;
}

std::string EscapeEveryByte(absl::string_view bytes) {
    std::string result;
    for (const unsigned char c : bytes) {
        absl::StrAppendFormat(&result, "%%%02X", c);
    }
    return result;
}

absl::Status NotOurs(absl::string_view attribute) {
    return absl::InvalidArgumentError(
        absl::StrCat("the pkcs11 URI selects by ", attribute, ", which is not supported: use token, object, id, type"));
}

std::string FieldText(const unsigned char* field, std::size_t size) {
    const auto* text = reinterpret_cast<const char*>(field);
    return std::string(absl::StripTrailingAsciiWhitespace(absl::string_view(text, strnlen(text, size))));
}

std::string AttributeBytes(P11KitUri* uri, CK_ATTRIBUTE_TYPE type) {
    const CK_ATTRIBUTE* attribute = p11_kit_uri_get_attribute(uri, type);
    if (attribute == nullptr || attribute->pValue == nullptr) {
        return {};
    }
    return std::string(static_cast<const char*>(attribute->pValue), attribute->ulValueLen);
}

absl::Status CheckSelectors(P11KitUri* uri) {
    const CK_TOKEN_INFO* token = p11_kit_uri_get_token_info(uri);
    const CK_SLOT_INFO* slot = p11_kit_uri_get_slot_info(uri);
    const CK_INFO* module = p11_kit_uri_get_module_info(uri);
    constexpr auto kNoSlot = static_cast<CK_SLOT_ID>(-1);
    if (p11_kit_uri_any_unrecognized(uri) != 0) {
        return NotOurs("an unknown attribute");
    }
    if (token->serialNumber[0] != 0 || token->manufacturerID[0] != 0 || token->model[0] != 0) {
        return NotOurs("serial, manufacturer or model");
    }
    if (slot->slotDescription[0] != 0 || slot->manufacturerID[0] != 0 || p11_kit_uri_get_slot_id(uri) != kNoSlot) {
        return NotOurs("slot");
    }
    if (module->libraryDescription[0] != 0 || module->manufacturerID[0] != 0 ||
        module->libraryVersion.major != static_cast<CK_BYTE>(-1) || p11_kit_uri_get_module_name(uri) != nullptr) {
        return NotOurs("library");
    }
    if (p11_kit_uri_get_pin_value(uri) != nullptr) {
        return absl::InvalidArgumentError("the pkcs11 URI has a PIN in it: use pin-source");
    }
    return absl::OkStatus();
}

absl::StatusOr<std::string> ParseType(P11KitUri* uri) {
    const std::string bytes = AttributeBytes(uri, CKA_CLASS);
    CK_OBJECT_CLASS object_class = 0;
    if (bytes.size() != sizeof(object_class)) {
        return std::string();
    }
    std::memcpy(&object_class, bytes.data(), sizeof(object_class));
    for (const auto& type : kObjectTypes) {
        if (type.object_class == object_class) {
            return std::string(type.name);
        }
    }
    return absl::InvalidArgumentError("the type in the pkcs11 URI is none of private, public and cert");
}

// RFC 8089, without a host.
absl::StatusOr<std::string> ParsePinSource(absl::string_view source) {
    if (absl::ConsumePrefix(&source, "file:") && absl::ConsumePrefix(&source, "//") && !absl::StartsWith(source, "/")) {
        return absl::InvalidArgumentError("the pin-source of the pkcs11 URI is a file of another host");
    }
    return std::string(source);
}

std::string TextOrEmpty(const char* text) {
    return text == nullptr ? std::string() : std::string(text);
}

}  // namespace

std::string FormatPkcs11Uri(const Pkcs11Uri& uri) {
    std::vector<std::string> path;
    const auto add = [](std::vector<std::string>& parts, absl::string_view name, const std::string& value) {
        if (!value.empty()) {
            parts.push_back(absl::StrCat(name, "=", value));
        }
    };
    add(path, "token", Escape(uri.token, ""));
    add(path, "object", Escape(uri.object, ""));
    add(path, "id", EscapeEveryByte(uri.id));
    add(path, "type", uri.type);
    std::vector<std::string> query;
    add(query, "module-path", Escape(uri.module_path, "/"));
    add(query, "pin-source", Escape(uri.pin_source, "/"));
    return absl::StrCat("pkcs11:", absl::StrJoin(path, ";"), query.empty() ? "" : "?", absl::StrJoin(query, "&"));
}

absl::StatusOr<Pkcs11Uri> ParsePkcs11Uri(absl::string_view text) {
    if (text.find('\0') != absl::string_view::npos) {
        return absl::InvalidArgumentError("not a pkcs11 URI: it has a NUL in it");
    }
    const UriPtr uri(p11_kit_uri_new());
    const int result = p11_kit_uri_parse(std::string(text).c_str(), P11_KIT_URI_FOR_ANY, uri.get());
    if (result != P11_KIT_URI_OK) {
        return absl::InvalidArgumentError(absl::StrCat("not a pkcs11 URI: ", p11_kit_uri_message(result)));
    }
    RETURN_IF_ERROR(CheckSelectors(uri.get()));
    const CK_TOKEN_INFO* token = p11_kit_uri_get_token_info(uri.get());
    Pkcs11Uri parsed;
    parsed.token = FieldText(token->label, sizeof(token->label));
    parsed.object = AttributeBytes(uri.get(), CKA_LABEL);
    parsed.id = AttributeBytes(uri.get(), CKA_ID);
    ASSIGN_OR_RETURN(parsed.type, ParseType(uri.get()));
    parsed.module_path = TextOrEmpty(p11_kit_uri_get_module_path(uri.get()));
    ASSIGN_OR_RETURN(parsed.pin_source, ParsePinSource(TextOrEmpty(p11_kit_uri_get_pin_source(uri.get()))));
    return parsed;
}

}  // namespace provhub::crypto
