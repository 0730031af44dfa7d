#include "common/config/decoder.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace provhub::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Struct;
using google::protobuf::Value;

// JSON numbers are doubles, exact up to here.
constexpr std::uint64_t kMaxWholeNumber = 1ULL << 53;

struct Range {
    std::uint64_t min;
    std::uint64_t max;
};

struct FieldRange {
    absl::string_view field;
    Range range;
};

constexpr std::array kRanges = {
    FieldRange{"provhub.config.v1.CertModule.max_items", {1, 64}},
    FieldRange{"provhub.config.v1.Config.audit_log_max_bytes", {4096, 1ULL << 40}},
    FieldRange{"provhub.config.v1.Config.audit_log_max_files", {1, 1000}},
    // The highest one means "unchanged" to chown(2).
    FieldRange{"provhub.config.v1.TokenParams.uid", {0, std::numeric_limits<std::uint32_t>::max() - 1}},
    FieldRange{"provhub.config.v1.TokenParams.gid", {0, std::numeric_limits<std::uint32_t>::max() - 1}},
};

Range RangeOf(const FieldDescriptor& field) {
    const auto* row = std::ranges::find(kRanges, absl::string_view(field.full_name()), &FieldRange::field);
    if (row != kRanges.end()) {
        return row->range;
    }
    return {0, field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 ? std::numeric_limits<std::uint32_t>::max()
                                                                   : kMaxWholeNumber};
}

std::string Describe(const Value& value) {
    switch (value.kind_case()) {
        case Value::kNullValue:
        case Value::KIND_NOT_SET:
            return "null";
        case Value::kNumberValue:
            return absl::StrFormat("%.17g", value.number_value());
        case Value::kStringValue:
            return Quoted(value.string_value());
        case Value::kBoolValue:
            return value.bool_value() ? "true" : "false";
        case Value::kStructValue:
            return "an object";
        case Value::kListValue:
            return "a list";
    }
    return "null";
}

std::string Join(absl::string_view path, absl::string_view key) {
    return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

// How many characters have to be put in, taken out or replaced to make one of the other (Levenshtein).
std::size_t EditDistance(absl::string_view a, absl::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row[b.size()];
}

// Empty where no key of the schema is much alike.
std::string NearestKey(const Descriptor& schema, absl::string_view key) {
    constexpr std::size_t kLongestKey = 64;
    if (key.size() > kLongestKey) {
        return {};
    }
    const std::string wanted = absl::AsciiStrToLower(key);
    std::size_t best = std::max<std::size_t>(2, key.size() / 3) + 1;
    std::string nearest;
    for (int i = 0; i < schema.field_count(); ++i) {
        const std::string& known = schema.field(i)->json_name();
        const std::size_t distance = EditDistance(wanted, absl::AsciiStrToLower(known));
        if (distance < best) {
            best = distance;
            nearest = known;
        }
    }
    return nearest;
}

class Decoder {
 public:
    explicit Decoder(Faults& faults) : faults_(faults) {}

    void Object(const Struct& object, Message& message, const std::string& path) {
        const Descriptor& schema = *message.GetDescriptor();
        const std::map<std::string, const Value*> given = Keys(object, schema, path);
        for (int i = 0; i < schema.field_count(); ++i) {
            const FieldDescriptor& field = *schema.field(i);
            const auto found = given.find(absl::AsciiStrToLower(field.json_name()));
            if (found != given.end()) {
                Field(*found->second, message, field, Join(path, field.json_name()));
            }
        }
    }

 private:
    // The known keys in lower case.
    std::map<std::string, const Value*> Keys(const Struct& object, const Descriptor& schema, const std::string& path) {
        // The map of the Struct has no order; messages should.
        const std::map<std::string, Value> sorted(object.fields().begin(), object.fields().end());
        std::map<std::string, const Value*> given;
        std::map<std::string, std::string> spelling;
        const std::string where = path.empty() ? "" : absl::StrCat(" at ", path);
        for (const auto& entry : sorted) {
            const std::string& key = entry.first;
            const std::string lower = absl::AsciiStrToLower(key);
            if (!IsKnown(schema, key)) {
                const std::string nearest = NearestKey(schema, key);
                const std::string hint = nearest.empty() ? "" : absl::StrCat(", did you mean '", nearest, "'?");
                faults_.push_back({Join(path, nearest.empty() ? key : nearest),
                                   absl::StrCat("unknown key '", Escaped(key), "'", where, hint)});
            } else if (!given.emplace(lower, &object.fields().at(key)).second) {
                faults_.push_back(
                    {Join(path, key), absl::StrCat("key '", key, "'", where, " is given twice, also as '",
                                                   spelling[lower], "': keys are the same whatever their case")});
            }
            spelling.emplace(lower, key);
        }
        return given;
    }

    static bool IsKnown(const Descriptor& schema, absl::string_view key) {
        for (int i = 0; i < schema.field_count(); ++i) {
            if (absl::EqualsIgnoreCase(schema.field(i)->json_name(), key)) {
                return true;
            }
        }
        return false;
    }

    static std::string Escaped(absl::string_view key) {
        const std::string quoted = Quoted(key);
        return quoted.substr(1, quoted.size() - 2);
    }

    void Expected(const std::string& path, absl::string_view what, const Value& got) {
        faults_.push_back({path, absl::StrCat(path, ": expected ", what, ", got ", Describe(got))});
    }

    void Field(const Value& value, Message& message, const FieldDescriptor& field, const std::string& path) {
        if (field.is_map()) {
            return TextMap(value, message, field, path);
        }
        if (!field.is_repeated()) {
            return Single(value, message, field, path);
        }
        if (!value.has_list_value()) {
            return Expected(path, "a list", value);
        }
        for (int i = 0; i < value.list_value().values_size(); ++i) {
            Element(value.list_value().values(i), message, field, absl::StrCat(path, "[", i, "]"));
        }
    }

    // The schema has lists of strings and of objects.
    void Element(const Value& value, Message& message, const FieldDescriptor& field, const std::string& path) {
        const auto& reflection = *message.GetReflection();
        if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
            Message& element = *reflection.AddMessage(&message, &field);
            if (!value.has_struct_value()) {
                return Expected(path, "an object", value);
            }
            return Object(value.struct_value(), element, path);
        }
        std::string text;
        Text(value, path, text);
        reflection.AddString(&message, &field, text);
    }

    // The schema's maps are from string to string, with keys of the user's choice.
    void TextMap(const Value& value, Message& message, const FieldDescriptor& field, const std::string& path) {
        if (!value.has_struct_value()) {
            return Expected(path, "an object", value);
        }
        const std::map<std::string, Value> sorted(value.struct_value().fields().begin(),
                                                  value.struct_value().fields().end());
        for (const auto& [key, item] : sorted) {
            std::string text;
            if (!Text(item, Join(path, Escaped(key)), text)) {
                continue;
            }
            Message& entry = *message.GetReflection()->AddMessage(&message, &field);
            entry.GetReflection()->SetString(&entry, field.message_type()->map_key(), key);
            entry.GetReflection()->SetString(&entry, field.message_type()->map_value(), text);
        }
    }

    void Single(const Value& value, Message& message, const FieldDescriptor& field, const std::string& path) {
        const auto& reflection = *message.GetReflection();
        switch (field.cpp_type()) {
            case FieldDescriptor::CPPTYPE_MESSAGE:
                return SubMessage(value, message, field, path);
            case FieldDescriptor::CPPTYPE_BOOL:
                if (!value.has_bool_value()) {
                    return Expected(path, "true or false", value);
                }
                return reflection.SetBool(&message, &field, value.bool_value());
            case FieldDescriptor::CPPTYPE_UINT32:
            case FieldDescriptor::CPPTYPE_UINT64:
                return WholeNumber(value, message, field, path);
            default:
                std::string text;
                Text(value, path, text);
                return reflection.SetString(&message, &field, text);
        }
    }

    void SubMessage(const Value& value, Message& message, const FieldDescriptor& field, const std::string& path) {
        const auto& reflection = *message.GetReflection();
        if (field.message_type() == google::protobuf::Duration::descriptor()) {
            return Duration(value, message, field, path);
        }
        if (!value.has_struct_value()) {
            return Expected(path, "an object", value);
        }
        Message& content = *reflection.MutableMessage(&message, &field);
        if (field.message_type() == Struct::descriptor()) {
            return content.CopyFrom(value.struct_value());
        }
        Object(value.struct_value(), content, path);
    }

    void WholeNumber(const Value& value, Message& message, const FieldDescriptor& field, const std::string& path) {
        const Range range = RangeOf(field);
        const double number = value.number_value();
        if (!value.has_number_value() || number != std::floor(number) || number < static_cast<double>(range.min) ||
            number > static_cast<double>(range.max)) {
            return Expected(path, absl::StrCat("a whole number from ", range.min, " to ", range.max), value);
        }
        if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
            message.GetReflection()->SetUInt32(&message, &field, static_cast<std::uint32_t>(number));
        } else {
            message.GetReflection()->SetUInt64(&message, &field, static_cast<std::uint64_t>(number));
        }
    }

    void Duration(const Value& value, Message& message, const FieldDescriptor& field, const std::string& path) {
        constexpr absl::Duration kLongest = absl::Hours(24);
        absl::Duration duration;
        if (!value.has_string_value() || !absl::ParseDuration(value.string_value(), &duration) ||
            duration < absl::ZeroDuration() || duration > kLongest) {
            return Expected(path, R"(a duration of at most a day, such as "30s" or "1m30s")", value);
        }
        google::protobuf::Duration content;
        content.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
        content.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(duration)));
        message.GetReflection()->MutableMessage(&message, &field)->CopyFrom(content);
    }

    // A NUL would end the string for the system calls that it is made for.
    bool Text(const Value& value, const std::string& path, std::string& text) {
        if (!value.has_string_value() || absl::StrContains(value.string_value(), '\0')) {
            Expected(path, value.has_string_value() ? "a string without NUL characters" : "a string", value);
            return false;
        }
        text = value.string_value();
        return true;
    }

    Faults& faults_;
};

}  // namespace

void Decode(const Struct& object, Message& message, Faults& faults) {
    Decoder(faults).Object(object, message, "");
}

std::string Quoted(absl::string_view text) {
    constexpr std::size_t kShown = 64;
    std::string shown = absl::Utf8SafeCEscape(text.substr(0, kShown));
    return absl::StrCat("\"", shown, text.size() > kShown ? "...\"" : "\"");
}

}  // namespace provhub::config
