#include "common/crypto/random.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace provhub::crypto {
namespace {

constexpr std::size_t kPinBytes = 12;

[[noreturn]] void EndWithoutRandomness() {
    std::fputs("the random number generator of OpenSSL failed\n", stderr);
    std::abort();
}

}  // namespace

std::string RandomBytes(std::size_t size) {
    std::string bytes(size, '\0');
    if (RAND_bytes_ex(nullptr, reinterpret_cast<unsigned char*>(bytes.data()), size, 0) != 1) {
        EndWithoutRandomness();
    }
    return bytes;
}

Secret RandomPin() {
    std::array<char, kPinBytes> bytes;
    if (RAND_priv_bytes_ex(nullptr, reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), 0) != 1) {
        EndWithoutRandomness();
    }
    std::string pin = absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return Secret::TakeFrom(pin);
}

}  // namespace provhub::crypto
