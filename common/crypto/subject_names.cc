#include "common/crypto/subject_names.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "common/crypto/sha256.h"

namespace provhub::crypto {
namespace {

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;

std::string Text(const ASN1_STRING* string) {
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                       static_cast<std::size_t>(ASN1_STRING_length(string)));
}

std::string IpText(const ASN1_OCTET_STRING* address) {
    const int family = ASN1_STRING_length(address) == sizeof(in_addr)    ? AF_INET
                       : ASN1_STRING_length(address) == sizeof(in6_addr) ? AF_INET6
                                                                         : AF_UNSPEC;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (family == AF_UNSPEC ||
        ::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) == nullptr) {
        return {};
    }
    return text.data();
}

// Empty for a type that is not asked for.
std::string NameText(const GENERAL_NAME& name, bool uris_only) {
    if (name.type == GEN_URI) {
        return Text(name.d.uniformResourceIdentifier);
    }
    if (uris_only) {
        return {};
    }
    switch (name.type) {
        case GEN_DNS:
            return Text(name.d.dNSName);
        case GEN_EMAIL:
            return Text(name.d.rfc822Name);
        case GEN_IPADD:
            return IpText(name.d.iPAddress);
        default:
            return {};
    }
}

std::vector<std::string> Names(const Certificate& certificate, bool uris_only) {
    const NamesPtr names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
    ERR_clear_error();
    std::vector<std::string> result;
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        std::string text = NameText(*sk_GENERAL_NAME_value(names.get(), i), uris_only);
        if (!text.empty() && text.find('\0') == std::string::npos) {
            result.push_back(std::move(text));
        }
    }
    return result;
}

std::vector<std::string> SubjectParts(const Certificate& certificate, int nid) {
    const X509_NAME* subject = X509_get_subject_name(certificate.get());
    std::vector<std::string> parts;
    for (int at = X509_NAME_get_index_by_NID(subject, nid, -1); at >= 0;
         at = X509_NAME_get_index_by_NID(subject, nid, at)) {
        unsigned char* utf8 = nullptr;
        const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
        if (size < 0) {
            ERR_clear_error();
            continue;
        }
        std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
        OPENSSL_free(utf8);
        if (text.find('\0') == std::string::npos) {
            parts.push_back(std::move(text));
        }
    }
    return parts;
}

}  // namespace

std::vector<std::string> UriNames(const Certificate& certificate) {
    return Names(certificate, /*uris_only=*/true);
}

std::vector<std::string> AlternativeNames(const Certificate& certificate) {
    return Names(certificate, /*uris_only=*/false);
}

std::vector<std::string> CommonNames(const Certificate& certificate) {
    return SubjectParts(certificate, NID_commonName);
}

std::vector<std::string> OrganizationalUnits(const Certificate& certificate) {
    return SubjectParts(certificate, NID_organizationalUnitName);
}

std::string PublicKeyDigest(const Certificate& certificate) {
    return Sha256Hex(certificate.PublicKeyDer());
}

}  // namespace provhub::crypto
