#include "common/crypto/node_uri.h"

#include <gtest/gtest.h>

#include <string>

namespace provhub::crypto {
namespace {

TEST(NodeUri, IsThePrefixAndTheNodeId) {
    EXPECT_EQ(NodeUri(kNodeUriPrefix, "5f3759df"), "urn:provhub:node:5f3759df");
    EXPECT_EQ(NodeUri("https://example.org/nodes/", "a-b_c.d~e"), "https://example.org/nodes/a-b_c.d~e");
}

TEST(NodeUri, EscapesWhatAUriCanNotHold) {
    EXPECT_EQ(NodeUri("urn:x:", "front left/1%"), "urn:x:front%20left%2F1%25");
    EXPECT_EQ(NodeUri("urn:x:", "Gerät"), "urn:x:Ger%C3%A4t");
}

TEST(NodeUri, IsReadBackWhateverTheNodeId) {
    std::string every;
    for (int c = 1; c < 256; ++c) {
        every.push_back(static_cast<char>(c));
    }
    for (const std::string& node_id : {std::string("n"), std::string("node 1"), every}) {
        EXPECT_EQ(NodeIdOfUri(kNodeUriPrefix, NodeUri(kNodeUriPrefix, node_id)), node_id);
    }
    EXPECT_EQ(NodeIdOfUri("urn:x:", "urn:x:a%2fb"), "a/b");
}

TEST(NodeUri, OfAnotherPrefixOrBrokenNamesNoNode) {
    for (const char* uri :
         {"urn:provhub:role:operator", "urn:provhub:node:", "urn:provhub:node:%", "urn:provhub:node:%4",
          "urn:provhub:node:%4g", "URN:provhub:node:n", "", "xurn:provhub:node:n"}) {
        EXPECT_EQ(NodeIdOfUri(kNodeUriPrefix, uri), std::nullopt) << uri;
    }
}

}  // namespace
}  // namespace provhub::crypto
