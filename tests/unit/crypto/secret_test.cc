#include "common/crypto/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <set>
#include <type_traits>
#include <utility>

#include "common/crypto/random.h"

namespace provhub::crypto {
namespace {

template <typename T>
concept Printable = requires(std::ostream& stream, const T& value) {
    stream << value;
};

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(!Printable<Secret>);

TEST(Secret, HoldsItsBytes) {
    const Secret secret("correct horse");
    EXPECT_EQ(secret.Reveal(), "correct horse");
    EXPECT_EQ(secret.size(), 13u);
    EXPECT_FALSE(secret.empty());
}

TEST(Secret, TakingAStringWipesTheStringsBufferAndWhatItHeldBefore) {
    for (const std::size_t size : {5u, 15u, 200u}) {
        std::string value(size, 's');
        value.resize(size / 2);
        const char* buffer = value.data();
        const std::size_t capacity = value.capacity();
        const Secret secret = Secret::TakeFrom(value);
        EXPECT_EQ(secret.Reveal(), std::string(size / 2, 's'));
        EXPECT_TRUE(value.empty());
        value.resize(capacity);
        ASSERT_EQ(value.data(), buffer);
        EXPECT_EQ(value.find('s'), std::string::npos);
    }
}

TEST(Secret, IsEmptyAfterItWasMovedFrom) {
    Secret from("abcdef");
    Secret to("something else");
    to = std::move(from);
    EXPECT_TRUE(from.empty());
    EXPECT_EQ(to.Reveal(), "abcdef");
    const Secret third(std::move(to));
    EXPECT_TRUE(to.empty());
    EXPECT_EQ(third.Reveal(), "abcdef");
}

TEST(Secret, EqualsOnlyTheSameBytes) {
    EXPECT_TRUE(Secret("abc").Equals(Secret("abc")));
    EXPECT_TRUE(Secret().Equals(Secret("")));
    EXPECT_FALSE(Secret("abc").Equals(Secret("abd")));
    EXPECT_FALSE(Secret("abc").Equals(Secret("abcd")));
    EXPECT_FALSE(Secret("").Equals(Secret("a")));
    EXPECT_FALSE(Secret(absl::string_view("a\0b", 3)).Equals(Secret(absl::string_view("a\0c", 3))));
}

TEST(Random, MakesBytesOfTheSizeAskedFor) {
    EXPECT_EQ(RandomBytes(0).size(), 0u);
    EXPECT_EQ(RandomBytes(33).size(), 33u);
    EXPECT_NE(RandomBytes(16), RandomBytes(16));
}

TEST(Random, MakesAnotherPinOf24HexadecimalDigitsEachTime) {
    std::set<std::string> pins;
    for (int i = 0; i < 50; ++i) {
        pins.emplace(std::string(RandomPin().Reveal()));
    }
    EXPECT_EQ(pins.size(), 50u);
    EXPECT_THAT(pins, testing::Each(testing::MatchesRegex("[0-9a-f]{24}")));
}

}  // namespace
}  // namespace provhub::crypto
