#include "common/crypto/secret.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

namespace provhub::crypto {

Secret::Secret(absl::string_view value) : data_(std::make_unique<char[]>(value.size())), size_(value.size()) {
    std::copy(value.begin(), value.end(), data_.get());
}

Secret Secret::TakeFrom(std::string& value) {
    Secret secret(value);
    value.resize(value.capacity());
    OPENSSL_cleanse(value.data(), value.size());
    value.clear();
    return secret;
}

Secret::Secret(Secret&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        Wipe();
        data_ = std::move(other.data_);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

Secret::~Secret() {
    Wipe();
}

bool Secret::Equals(const Secret& other) const {
    return size_ == other.size_ && (size_ == 0 || CRYPTO_memcmp(data_.get(), other.data_.get(), size_) == 0);
}

void Secret::Wipe() {
    if (data_ != nullptr) {
        OPENSSL_cleanse(data_.get(), size_);
    }
    size_ = 0;
}

}  // namespace provhub::crypto
