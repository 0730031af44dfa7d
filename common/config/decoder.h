// Turns a JSON object into a message of the configuration's schema.
#ifndef PROVHUB_COMMON_CONFIG_DECODER_H_
#define PROVHUB_COMMON_CONFIG_DECODER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"

namespace provhub::config {

struct Fault {
    // Of the value that is missing or wrong: "certModules[2].maxItems". For an unknown key, of what may have been
    // meant.
    std::string path;
    // On one line: "certModules[2].maxItems: expected a whole number from 1 to 64, got -1".
    std::string message;
};
using Faults = std::vector<Fault>;

// Sets the fields of `message` whose JSON names are the keys of `object`, compared without regard to case. Nothing is
// converted: a field takes the JSON type that it has, and a duration a string. What does not fit is left unset and told
// in `faults`: keys that the schema does not have first, then in the order of the schema.
void Decode(const google::protobuf::Struct& object, google::protobuf::Message& message, Faults& faults);

// `text` in quotes, on one line, cut where it is long: for messages.
std::string Quoted(absl::string_view text);

}  // namespace provhub::config

#endif  // PROVHUB_COMMON_CONFIG_DECODER_H_
