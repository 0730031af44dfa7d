#include "common/crypto/fingerprint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/crypto/csr.h"
#include "common/crypto/openssl.h"

namespace provhub::crypto {
namespace {

const std::string kDigits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

TEST(Fingerprint, IsTheSameForWhatPeopleTypeInDifferentWays) {
    std::string with_colons;
    for (std::size_t i = 0; i < kDigits.size(); i += 2) {
        absl::StrAppend(&with_colons, i == 0 ? "" : ":", kDigits.substr(i, 2));
    }
    for (const std::string& text : {kDigits, absl::StrCat("SHA256:", kDigits), absl::StrCat("sha256:", with_colons),
                                    absl::StrCat(" ", with_colons, "\n")}) {
        const auto parsed = ParseFingerprint(text);
        ASSERT_TRUE(parsed.ok()) << parsed.status();
        EXPECT_EQ(*parsed, kDigits);
    }
}

TEST(Fingerprint, RefusesWhatIsNoSha256) {
    for (const std::string& text :
         {std::string(), kDigits.substr(1), kDigits + "0", "x" + kDigits.substr(1), absl::StrCat("MD5:", kDigits),
          absl::StrCat("0:", kDigits.substr(1)), std::string(1000, ':')}) {
        EXPECT_EQ(ParseFingerprint(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
    }
}

TEST(Fingerprint, IsWhatOpenSslPrints) {
    const EvpPkeyPtr key(EVP_EC_gen("P-384"));
    CertificateRequest request;
    request.common_name = "main";
    const auto certificate = CreateSelfSigned(key.get(), request, absl::Now(), absl::Now() + absl::Hours(1));
    ASSERT_TRUE(certificate.ok()) << certificate.status();
    const std::string command =
        absl::StrCat("printf '%s' '", certificate->Pem(), "' | openssl x509 -noout -fingerprint -sha256 | cut -d= -f2");
    FILE* pipe = popen(command.c_str(), "r");
    ASSERT_NE(pipe, nullptr);
    std::string printed(200, '\0');
    printed.resize(fread(printed.data(), 1, printed.size(), pipe));
    ASSERT_EQ(pclose(pipe), 0);
    const auto parsed = ParseFingerprint(printed);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, Fingerprint(*certificate));
}

}  // namespace
}  // namespace provhub::crypto
