#include "common/crypto/pkcs11_uri.h"

#include <gtest/gtest.h>

namespace provhub::crypto {
namespace {

TEST(FormatPkcs11Uri, WritesTheAttributesInOrder) {
    EXPECT_EQ(FormatPkcs11Uri(
                  {"aoscore", "iam", "\x01\xaf", "private", "/usr/lib/softhsm/libsofthsm2.so", "/var/aos/iam/.usrpin"}),
              "pkcs11:token=aoscore;object=iam;id=%01%AF;type=private?module-path=/usr/lib/softhsm/libsofthsm2.so&"
              "pin-source=/var/aos/iam/.usrpin");
}

TEST(FormatPkcs11Uri, LeavesOutWhatIsAbsent) {
    EXPECT_EQ(FormatPkcs11Uri({"t", "", "", "", "", ""}), "pkcs11:token=t");
    EXPECT_EQ(FormatPkcs11Uri({"t", "", "", "", "", "/p"}), "pkcs11:token=t?pin-source=/p");
}

TEST(Pkcs11Uri, SurvivesFormattingAndParsing) {
    const Pkcs11Uri uris[] = {
        {"aoscore", "iam", std::string("\0\xff%;", 4), "cert", "/a b/c;d&e?f", "/pins/50% & more"},
        {"a;b=c", "d?e/f", "x", "public", "", ""},
        {"täst", "", "", "private", "", ""},
        {"", "o", "", "", "/m", ""},
    };
    for (const auto& uri : uris) {
        const auto parsed = ParsePkcs11Uri(FormatPkcs11Uri(uri));
        ASSERT_TRUE(parsed.ok()) << parsed.status() << " " << FormatPkcs11Uri(uri);
        EXPECT_EQ(*parsed, uri) << FormatPkcs11Uri(*parsed);
    }
}

TEST(ParsePkcs11Uri, TakesTheAttributesInAnyOrder) {
    const auto parsed = ParsePkcs11Uri("pkcs11:id=%00%01;token=t;object=o?pin-source=file:///p&module-path=/m");
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, (Pkcs11Uri{"t", "o", std::string("\0\1", 2), "", "/m", "/p"}));
    EXPECT_EQ(ParsePkcs11Uri("pkcs11:token=t?pin-source=file:/p")->pin_source, "/p");
}

TEST(ParsePkcs11Uri, RefusesWhatItCannotHold) {
    for (const char* text :
         {"", "pkcs11", "http://example.org", "pkcs11:token=%zz", "pkcs11:token=t;serial=1", "pkcs11:model=m",
          "pkcs11:manufacturer=m", "pkcs11:slot-id=1", "pkcs11:library-manufacturer=x", "pkcs11:library-version=2",
          "pkcs11:type=secret-key", "pkcs11:surprise=1", "pkcs11:token=t?pin-value=1234", "pkcs11:?module-name=x",
          "pkcs11:token=t?pin-source=file://host/p", "pkcs11:token=123456789012345678901234567890123"}) {
        EXPECT_EQ(ParsePkcs11Uri(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
    }
    EXPECT_FALSE(ParsePkcs11Uri(absl::string_view("pkcs11:token=t\0;serial=1", 24)).ok());
}

}  // namespace
}  // namespace provhub::crypto
