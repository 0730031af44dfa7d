// Whole files of the shapes that vehicles run with.
#include <gtest/gtest.h>

#include <string>

#include "common/config/config.h"
#include "tests/support/temp_dir.h"

namespace provhub::config {
namespace {

constexpr absl::string_view kMain = R"({
    "caCert": "/etc/ssl/unit-root.pem",
    "certStorage": "iam",
    "iamProtectedServerUrl": ":8089",
    "iamPublicServerUrl": ":8090",
    "workingDir": "/data/iam",
    "nodeInfo": {
        "nodeIdPath": "/etc/machine-id",
        "nodeName": "central",
        "nodeType": "gateway",
        "maxDmips": 12000,
        "attrs": {"MainNode": "", "Components": "a,b"},
        "partitions": [
            {"name": "states", "types": ["states"], "path": "/data/states"},
            {"name": "work", "types": ["services", "layers"], "path": "/data/work"}
        ]
    },
    "diskEncryptionCmdArgs": ["/bin/sh", "-c", "mkdisk -p \"$(cat /data/pin)\" 2>&1 | logger"],
    "finishProvisioningCmdArgs": ["/opt/unit/finish"],
    "deprovisionCmdArgs": ["/opt/unit/wipe", "later"],
    "identifier": {
        "plugin": "fileidentifier",
        "params": {"systemIDPath": "/etc/machine-id", "unitModelPath": "/etc/model", "subjectsPath": "/etc/subjects"}
    },
    "certModules": [
        {
            "id": "online", "plugin": "pkcs11module", "algorithm": "ecc", "maxItems": 2,
            "params": {"library": "/usr/lib/hsm.so", "tokenLabel": "cloud", "userPinPath": "/data/pin",
                       "modulePathInUrl": true}
        },
        {
            "id": "iam", "plugin": "pkcs11module", "algorithm": "ecc", "maxItems": 2,
            "extendedKeyUsage": ["serverAuth", "clientAuth"], "alternativeNames": ["central"],
            "params": {"library": "/usr/lib/hsm.so", "tokenLabel": "core", "userPinPath": "/data/pin", "uid": 0,
                       "gid": 4}
        },
        {
            "id": "diskencryption", "plugin": "pkcs11module", "algorithm": "rsa", "disabled": false, "selfSigned": true,
            "skipValidation": true,
            "params": {"library": "/usr/lib/hsm.so", "tokenLabel": "core", "userPinPath": "/data/pin"}
        }
    ],
    "enablePermissionsHandler": true,
    "migration": {"migrationPath": "/usr/share/migration", "mergedMigrationPath": "/data/migration"}
})";

constexpr absl::string_view kSecondary = R"({
    "caCert": "/etc/ssl/unit-root.pem",
    "certStorage": "iam",
    "mainIamPublicServerUrl": "central:8090",
    "mainIamProtectedServerUrl": "central:8089",
    "iamProtectedServerUrl": ":8089",
    "iamPublicServerUrl": ":8090",
    "workingDir": "/data/iam",
    "nodeReconnectInterval": "5s",
    "nodeInfo": {"nodeIdPath": "/etc/machine-id", "nodeName": "rear", "maxDmips": 8000, "attrs": {"Components": "b"}},
    "finishProvisioningCmdArgs": ["/opt/unit/finish"],
    "certModules": [
        {
            "id": "iam", "plugin": "pkcs11module", "algorithm": "ecc", "maxItems": 2, "extendedKeyUsage": ["clientAuth"],
            "params": {"library": "/usr/lib/hsm.so", "slotIndex": 0, "userPinPath": "/data/pin"}
        }
    ],
    "migration": {"migrationPath": "/usr/share/migration"}
})";

v1::Config Loaded(absl::string_view json, NodeKind kind) {
    const test::TempDir dir;
    const auto config = Load(dir.Write("iam.cfg", json), kind);
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *config : v1::Config();
}

TEST(ConfigSample, OfAMainNodeLoads) {
    const auto config = Loaded(kMain, NodeKind::kMain);
    EXPECT_EQ(config.ca_cert(), "/etc/ssl/unit-root.pem");
    EXPECT_EQ(config.cert_storage(), "iam");
    EXPECT_EQ(config.node_info().node_type(), "gateway");
    EXPECT_EQ(config.node_info().max_dmips(), 12000U);
    EXPECT_EQ(config.node_info().partitions(1).types(1), "layers");
    EXPECT_EQ(config.disk_encryption_cmd_args(2), "mkdisk -p \"$(cat /data/pin)\" 2>&1 | logger");
    EXPECT_EQ(config.deprovision_cmd_args_size(), 2);
    EXPECT_EQ(config.identifier().params().subjects_path(), "/etc/subjects");
    ASSERT_EQ(config.cert_modules_size(), 3);
    EXPECT_EQ(config.cert_modules(0).max_items(), 2U);
    EXPECT_TRUE(config.cert_modules(0).params().module_path_in_url());
    EXPECT_FALSE(config.cert_modules(0).params().has_uid());
    EXPECT_EQ(config.cert_modules(1).extended_key_usage(1), "clientAuth");
    EXPECT_EQ(config.cert_modules(1).alternative_names(0), "central");
    EXPECT_TRUE(config.cert_modules(1).params().has_uid());
    EXPECT_EQ(config.cert_modules(1).params().gid(), 4U);
    EXPECT_EQ(config.cert_modules(2).max_items(), 1U);
    EXPECT_TRUE(config.cert_modules(2).self_signed());
    EXPECT_TRUE(config.cert_modules(2).skip_validation());
    EXPECT_TRUE(config.enable_permissions_handler());
}

TEST(ConfigSample, OfASecondaryNodeLoads) {
    const auto config = Loaded(kSecondary, NodeKind::kSecondary);
    EXPECT_EQ(config.main_iam_public_server_url(), "central:8090");
    EXPECT_EQ(config.main_iam_protected_server_url(), "central:8089");
    EXPECT_EQ(ToDuration(config.node_reconnect_interval()), absl::Seconds(5));
    EXPECT_TRUE(config.cert_modules(0).params().has_slot_index());
    EXPECT_FALSE(config.has_identifier());
}

TEST(ConfigSample, OfASecondaryNodeHasKeysThatAMainNodeAccepts) {
    EXPECT_EQ(Loaded(kSecondary, NodeKind::kMain).main_iam_public_server_url(), "central:8090");
}

}  // namespace
}  // namespace provhub::config
